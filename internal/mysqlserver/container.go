package mysqlserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// containerTLS is where a container finds its certificate.
const containerTLS = "/etc/mautic-rotation-tls"

// inContainer finds a container engine that is running.
func inContainer(ctx context.Context, how recipe) (*installation, error) {
	var reasons []string
	for _, engine := range []string{"docker", "podman"} {
		path, err := exec.LookPath(engine)
		if err != nil {
			reasons = append(reasons, "no "+engine)
			continue
		}
		err = exec.CommandContext(ctx, path, "info").Run()
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("%s is not running (%v)", engine, err))
			continue
		}
		return &installation{how: how, engine: path, origin: "container " + how.image + " by " + engine}, nil
	}
	return nil, errors.New(strings.Join(reasons, ", "))
}

// serveInContainer returns the process that runs the server in a container. It has no template: the image initialises its data,
// which takes some ten seconds.
func (in *installation) serveInContainer(s *Server, o Options) (*process, error) {
	o.Progress(fmt.Sprintf("Starting %s; the first time it is downloaded.", in.origin))
	// The engine would keep the container whatever happens to the client that started it, hence the lifeline.
	cmd := exec.Command(in.engine, slices.Concat([]string{
		"run", "--rm", "--interactive",
		"--init", // a script that is process 1 cannot kill itself
		fmt.Sprintf("--publish=%s:%d:3306", s.Host(), s.port),
		"--volume=" + s.dir.tls() + ":" + containerTLS + ":ro",
		// Their value comes from the environment: arguments can be seen by other users.
		"--env=MYSQL_ROOT_PASSWORD", "--env=MARIADB_ROOT_PASSWORD",
		"--entrypoint=sh", in.how.image,
		"-c", lifelineScript, "sh", "docker-entrypoint.sh", in.how.daemon,
	}, in.how.args, serverArgs(containerTLS), o.Args)...)
	cmd.Env = append(os.Environ(), "MYSQL_ROOT_PASSWORD="+s.rootPassword, "MARIADB_ROOT_PASSWORD="+s.rootPassword)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd: cmd, lifeline: stdin}, nil
}
