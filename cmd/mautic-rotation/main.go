// Command mautic-rotation is the operator's program. It shows the state of a Mautic deployment's credentials, what
// needs you and what to do about it, starts and follows rotations, and shows how past ones ended.
//
//	mautic-rotation status
//	mautic-rotation rotate --only database
//
// docs/reference.md lists all commands.
package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"

	"mautic-rotation/internal/operator/cli"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
)

// version is set by the linker for a release.
var version string

func main() { os.Exit(int(run())) }

// run runs the command line, and returns the exit code.
func run() fault.Code {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the program at once
	}()
	takeCodes(os.Stdout)
	return cli.Main(ctx, &cli.Env{
		Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Messages: os.Stderr,
		Asks: term.IsTerminal(os.Stdin.Fd()), Style: style(os.Stdout), Version: built(),
		Now: time.Now, Pause: pause, Connect: cli.Connect(pause),
	})
}

// style is how to write to the output.
func style(out *os.File) view.Style {
	s := view.Style{Zone: time.Local}
	if !term.IsTerminal(out.Fd()) || os.Getenv("TERM") == "dumb" {
		return s
	}
	s.Terminal, s.Colour = true, true
	if width, _, err := term.GetSize(out.Fd()); err == nil {
		s.Width = width
	}
	return s
}

// pause waits, or fails when the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// built is the program's version: the release, or the commit that it was built from.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if version != "" || !ok {
		return cmp.Or(version, "unknown")
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}
