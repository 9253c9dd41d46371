package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws"
)

// screen writes lines as things happen and, on a terminal, keeps a line below
// them that shows how it stands.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	colours  bool
	start    time.Time // of the rotation; lines before it carry no time
	status   string

	// preflight is the token of the latest test-only rotation. Only describe
	// uses it, which is called for one event after the other.
	preflight string
	unchanged bool   // the rotation changes nothing; likewise
	logged    string // what was shown of the function's log last; used like preflight
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return &screen{out: out, terminal: terminal, colours: terminal && os.Getenv("NO_COLOR") == ""}
}

const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

func (s *screen) colour(code, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// line writes a line above the status.
func (s *screen) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	if !s.start.IsZero() {
		text = s.colour(dim, fmt.Sprintf("%6.2f s  ", time.Since(s.start).Seconds())) + text
	}
	fmt.Fprintln(s.out, text)
	s.draw()
}

func (s *screen) title(text string)   { s.line(s.colour(bold, text) + "\n") }
func (s *screen) note(text string)    { s.line("  " + s.colour(dim, text+" …")) }
func (s *screen) fact(name, v string) { s.line(fmt.Sprintf("  %-14s%s", name, v)) }

// command shows what the demo does as the AWS CLI would, and starts the time.
func (s *screen) command(text string) {
	s.line("\n" + s.colour(bold, "$ "+text) + "\n")
	s.mu.Lock()
	s.start = time.Now()
	s.mu.Unlock()
}

// setStatus changes the line below; there is none where the output is no
// terminal.
func (s *screen) setStatus(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.status = text
	s.draw()
}

func (s *screen) erase() {
	if s.terminal && s.status != "" {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
}

func (s *screen) draw() {
	if s.terminal && s.status != "" {
		fmt.Fprint(s.out, s.status)
	}
}

// endStatus takes the line below and the times away.
func (s *screen) endStatus() {
	s.setStatus("")
	s.mu.Lock()
	s.start = time.Time{}
	s.mu.Unlock()
}

// end leaves the cursor at the start of a line.
func (s *screen) end() { s.setStatus("") }

// watch shows what happens from now on, until stop is called.
func (s *screen) watch(d *demo) (stop func()) {
	cancel := d.AWS.Subscribe(func(event localaws.Event) {
		if text := s.describe(d, event); text != "" {
			s.line(text)
		}
	})
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		refresh := time.NewTicker(100 * time.Millisecond)
		defer refresh.Stop()
		for {
			select {
			case <-done:
				return
			case <-refresh.C:
				if s.rotating() {
					s.setStatus("          " + s.tally(d))
				}
			}
		}
	})
	return func() {
		cancel()
		close(done)
		running.Wait()
	}
}

func (s *screen) rotating() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.start.IsZero()
}

// tally is how the application stands.
func (s *screen) tally(d *demo) string {
	current, err := d.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return ""
	}
	bar := ""
	for _, t := range d.app.Records() {
		switch {
		case !t.Stopped.IsZero():
		case t.Password == current:
			bar += s.colour(green, "●")
		default:
			bar += "○"
		}
	}
	attempts, failures := d.app.Logins()
	failed := s.colour(green, "0 failed")
	if failures > 0 {
		failed = s.colour(red, fmt.Sprintf("%d failed", failures))
	}
	return fmt.Sprintf("logins %6d, %s   tasks %s  (● started with AWSCURRENT)", attempts, failed, bar)
}

// what each step has done when it succeeds, with %s for the server.
var what = map[string]string{
	"createSecret": "a new password is stored as AWSPENDING",
	"setSecret":    "%s accepts the new password and goes on accepting the old one",
	"testSecret":   "the new password logs in and runs a query",
	"finishSecret": "logged in once more, moved AWSCURRENT, forced new deployments",
}

func (s *screen) describe(d *demo, event localaws.Event) string {
	switch e := event.(type) {
	case localaws.StepFinished:
		if e.Err != nil {
			return fmt.Sprintf("%s %-13s %s", s.colour(red, "✗"), e.Step, message(e.Err))
		}
		done := d.db.named(what[e.Step])
		if e.Step == "createSecret" {
			s.unchanged = d.nothingChanges()
		}
		if s.unchanged {
			done = "nothing to change"
		}
		if e.Token == s.preflight {
			done = "preflight: a rotation would work"
		}
		return fmt.Sprintf("%s %-13s %s", s.colour(green, "✓"), e.Step, done)
	case localaws.TaskChanged:
		return s.describeTask(d, e)
	case localaws.FunctionLog:
		return s.describeLog(e.Line)
	case localaws.RotationEvent:
		if e.Name == localaws.TestRotationStarted {
			s.preflight = e.Token
		}
		return s.colour(dim, string(e.Name))
	default:
		return ""
	}
}

// describeLog picks from the function's log what follows a promotion.
func (s *screen) describeLog(line string) string {
	var entry struct{ Level, Message, Decision, Why, Evidence, Notice string }
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return ""
	}
	text := ""
	switch {
	case entry.Notice != "":
		text = s.colour(bold, entry.Message)
	case entry.Message == "reconcile" && entry.Decision != "forget" && entry.Decision != "redeploy":
		why, _, _ := strings.Cut(entry.Why, ": service ") // the tasks are shown by themselves
		text = fmt.Sprintf("reconcile: %s: %s", entry.Decision, why)
	case strings.HasPrefix(entry.Message, "the old value is out of service"),
		strings.HasPrefix(entry.Message, "retired"), strings.HasPrefix(entry.Message, "held"),
		strings.HasPrefix(entry.Message, "rolled back"), strings.HasPrefix(entry.Message, "not rotated"),
		strings.HasPrefix(entry.Message, "something still uses"):
		text = entry.Message
	}
	if entry.Evidence != "" && text != "" {
		text += " (" + entry.Evidence + ")"
	}
	if text == "" || text == s.logged {
		return "" // said already
	}
	s.logged = text
	if entry.Level == "ERROR" || entry.Level == "WARN" {
		return s.colour(red, "! ") + text
	}
	return s.colour(green, "→ ") + text
}

// message is what the function said, without what the stand-in puts before it.
func message(err error) string {
	var step *localaws.StepError
	if errors.As(err, &step) {
		return step.Message
	}
	return err.Error()
}

func (s *screen) describeTask(d *demo, e localaws.TaskChanged) string {
	task := fmt.Sprintf("  %s task %s", e.Service, short(e.Task))
	switch {
	case e.Status == "RUNNING" && e.Healthy:
		return task + " runs, started with " + d.labelReadBy(e.Task)
	case e.Status == "STOPPED":
		return task + " has stopped"
	default:
		return ""
	}
}

// short is enough of an id to tell it from the others.
func short(id string) string {
	id = id[strings.LastIndexByte(id, '/')+1:]
	return id[:min(8, len(id))]
}
