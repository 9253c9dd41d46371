package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Formats of Lambda's own lines in a function's log.
const (
	textFormat = "Text"
	jsonFormat = "JSON"
)

// Log writes a line to the log of the function whose handler the context is of, as an executable does by writing to its
// standard output. Elsewhere it does nothing.
func Log(ctx context.Context, line string) {
	if e, ok := ctx.Value(environmentKey{}).(*environment); ok {
		e.log([]byte(line))
	}
}

// log passes on one line that the function wrote.
func (e *environment) log(line []byte) {
	fn, h := e.fn, e.lambda.host
	if fn.Logs != nil {
		fn.logs.Lock()
		_, _ = fn.Logs.Write(append(bytes.Clone(line), '\n'))
		fn.logs.Unlock()
	}
	now := h.Clock.Now()
	e.put(now, string(line))
	h.Events.Emit(FunctionLog{At: now, Function: fn.Name, Environment: e.id, Line: string(line)})
}

// put appends a message to the environment's stream in CloudWatch Logs.
func (e *environment) put(at time.Time, message string) {
	if logs := e.lambda.opts.Logs; logs != nil {
		logs.Put(e.fn.LogGroup, e.stream, at, message)
	}
}

// logStart is what Lambda itself writes when an invocation begins.
func (e *environment) logStart(inv *invocation) {
	now := e.lambda.host.Clock.Now()
	if e.fn.LogFormat == textFormat {
		e.put(now, fmt.Sprintf("START RequestId: %s Version: %s\n", inv.id, latest))
		return
	}
	e.put(now, platformEvent(now, "platform.start", map[string]any{"requestId": inv.id, "version": latest}))
}

// logEnd is what Lambda itself writes when an invocation has ended. What it would say of the memory that was used is left
// out.
func (e *environment) logEnd(inv *invocation, took time.Duration, errorType string) {
	now := e.lambda.host.Clock.Now()
	ms := float64(took.Microseconds()) / 1000
	if e.fn.LogFormat == textFormat {
		e.put(now, fmt.Sprintf("END RequestId: %s\n", inv.id))
		e.put(now, fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: %d MB\t\n",
			inv.id, ms, math.Ceil(ms), e.fn.MemorySize))
		return
	}
	status := "success"
	switch errorType {
	case "":
	case "Sandbox.Timedout":
		status = "timeout"
	default:
		status = "error"
	}
	e.put(now, platformEvent(now, "platform.report", map[string]any{
		"requestId": inv.id, "status": status,
		"metrics": map[string]any{"durationMs": ms, "billedDurationMs": math.Ceil(ms), "memorySizeMB": e.fn.MemorySize},
	}))
}

func platformEvent(at time.Time, kind string, record map[string]any) string {
	text, err := json.Marshal(map[string]any{"time": at.Format(timestamp), "type": kind, "record": record})
	if err != nil {
		panic(err) // texts and finite numbers
	}
	return string(text)
}

// timestamp is the form of the times that Lambda writes.
const timestamp = "2006-01-02T15:04:05.000Z"
