package lambda

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"mautic-rotation/internal/localaws/host"
)

// startProcess starts the function's executable with a runtime API of its own.
func (e *environment) startProcess() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := e.lambda.host
	api := &http.Server{Handler: e.runtimeAPI(time.Now())}
	e.process, err = h.StartProcess(e.ctx, host.Command{
		Path: e.fn.Binary,
		Env:  e.variables(listener.Addr().String()),
		Line: e.log,
		Exited: func(exit host.Exit) {
			_ = api.Close()
			e.end(exit.Status)
			h.Events.Emit(EnvironmentEnded{
				At: h.Clock.Now(), Function: e.fn.Name, Environment: e.id, PID: exit.PID, Status: exit.Status, MaxRSS: exit.MaxRSS,
			})
		},
	})
	if err != nil {
		listener.Close()
		return err
	}
	e.pid.Store(int64(e.process.PID)) // before the process can get an invocation
	h.Spawn(func() { _ = api.Serve(listener) })
	return nil
}

// variables is what Lambda puts into a process's environment, and the endpoint of the stand-in.
func (e *environment) variables(runtimeAPI string) []string {
	h, opts := e.lambda.host, e.lambda.opts
	vars := []string{
		"AWS_LAMBDA_RUNTIME_API=" + runtimeAPI,
		"AWS_LAMBDA_FUNCTION_NAME=" + e.fn.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", e.fn.MemorySize),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=" + e.fn.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + e.stream,
		"AWS_LAMBDA_LOG_FORMAT=" + e.fn.LogFormat,
		"AWS_REGION=" + h.Account.Region,
		"AWS_DEFAULT_REGION=" + h.Account.Region,
		"AWS_ACCESS_KEY_ID=" + e.key,
		"AWS_SECRET_ACCESS_KEY=" + opts.SecretKey,
		"AWS_SESSION_TOKEN=" + e.id,
		"AWS_ENDPOINT_URL=" + opts.Endpoint,
		"_HANDLER=bootstrap",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(e.fn.Binary),
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}
	for name, v := range e.fn.Env {
		vars = append(vars, name+"="+v)
	}
	return vars
}
