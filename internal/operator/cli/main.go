package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/token"
	"mautic-rotation/internal/operator/view"
)

// run is the context of a command.
type run struct {
	context.Context
	*Env
	flags globals
	model *kong.Kong
}

// interrupted tells whether the user has interrupted the program.
func (r *run) interrupted() bool { return r.Err() != nil }

// waits waits, and returns false if it was interrupted.
func (r *run) waits(d time.Duration) bool { return r.Pause(r, d) == nil }

// exited is the code with which kong exits after it has shown help.
type exited int

const description = "Operates the function that rotates a Mautic deployment's credentials: shows their state, starts and follows rotations, and finishes held ones.\n\n" +
	"Uses the AWS CLI's credentials, profiles and regions."

// parser parses the command line into a grammar.
func parser(e *Env, g *grammar) (*kong.Kong, error) {
	return kong.New(g, kong.Name(view.Program), kong.Description(description), kong.Writers(e.Out, e.Messages),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(code int) { panic(exited(code)) }))
}

// Main runs a command, and returns the exit code.
func Main(ctx context.Context, e *Env) (code fault.Code) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exited:
			code = fault.Code(p)
		default:
			panic(p)
		}
	}()
	var g grammar
	k, err := parser(e, &g)
	if err != nil {
		panic(err) // the grammar is wrong
	}
	for _, arg := range e.Args {
		if arg == "--version" {
			fmt.Fprintln(e.Out, view.Program, e.Version)
			return fault.Fine
		}
	}
	if len(e.Args) == 0 {
		e.Args = []string{"--help"}
	}
	command, err := k.Parse(e.Args)
	if err != nil {
		return e.fail(fault.New(fault.Usage, err.Error(), remedy(e.Args, err)))
	}
	if g.NoColor || e.Getenv("NO_COLOR") != "" {
		e.Style.Colour = false
	}
	err = command.Run(&run{ctx, e, g.globals, k})
	if errors.Is(err, context.Canceled) {
		return fault.Unknown
	}
	return e.fail(err)
}

// remedy says what to type instead of a wrong command line.
func remedy(args []string, err error) string {
	kind, unexpected := strings.CutPrefix(err.Error(), "unexpected argument ")
	if unexpected && slices.Contains(args, "rotate") && slices.Contains(token.Kinds, kind) {
		return "to rotate only that one: " + view.Program + " rotate --only " + kind
	}
	return "see " + view.Program + " --help"
}

// fail shows an error, and returns its code.
func (e *Env) fail(err error) fault.Code {
	var silent fault.Silent
	if err != nil && !errors.As(err, &silent) {
		fmt.Fprint(e.Messages, view.Fault(e.Style, fault.Of(err)))
	}
	return fault.CodeOf(err)
}

// show prints text or, with --output json, the value as JSON.
func (r *run) show(text func() string, value any) error {
	if !r.flags.json() {
		_, err := fmt.Fprint(r.Out, text())
		return err
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := fmt.Fprint(r.Out, view.CleanJSON(out.String()))
	return err
}
