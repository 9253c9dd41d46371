package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
)

// screen prints lines as things happen and, on a terminal, keeps a status line below
// them.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	colours  bool
	start    time.Time // of the rotation; lines before it carry no time
	byClock  bool      // lines carry the time of day instead
	status   string
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

// below starts another line, indented under the text of the first one.
const below = "\n              "

// line writes a line above the status.
func (s *screen) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	switch {
	case text == "":
	case s.byClock:
		text = s.colour(dim, time.Now().Format("15:04:05  ")) + text
	case !s.start.IsZero():
		text = s.colour(dim, fmt.Sprintf("%6.2f s  ", time.Since(s.start).Seconds())) + text
	}
	fmt.Fprintln(s.out, text)
	s.draw()
}

func (s *screen) title(text string)   { s.line(s.colour(bold, text) + "\n") }
func (s *screen) note(text string)    { s.line("  " + s.colour(dim, text+" …")) }
func (s *screen) fact(name, v string) { s.line(fmt.Sprintf("  %-14s%s", name, v)) }

// command prints what the demo does as an AWS CLI command, and starts the timer.
func (s *screen) command(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintln(s.out, "\n"+s.colour(bold, "$ "+text)+"\n")
	if s.start.IsZero() {
		s.start = time.Now()
	}
	s.draw()
}

// setStatus changes the status line, which exists only on a terminal.
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

// endStatus removes the status line and stops the timer.
func (s *screen) endStatus() {
	s.setStatus("")
	s.mu.Lock()
	s.start = time.Time{}
	s.mu.Unlock()
}

// showTime prefixes each line with the time of day, until endTime.
func (s *screen) showTime() { s.setByClock(true) }
func (s *screen) endTime()  { s.setByClock(false) }

func (s *screen) setByClock(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byClock = on
}

// end leaves the cursor at the start of a line.
func (s *screen) end() { s.setStatus("") }

// watch shows what happens from now on, until stop is called.
func (s *screen) watch(d *demo) (stop func()) {
	told := &story{d: d, told: map[string]bool{}}
	cancel := d.AWS.Subscribe(func(event host.Event) {
		for _, text := range told.mail() {
			s.line(text)
		}
		if text := told.line(event); text != "" {
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
					s.setStatus("  " + s.tally(d))
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

// tally is the status line: what the application has done so far.
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
	return fmt.Sprintf("%s  %s  %s  %s  tasks %s (● new)",
		s.count("logins", d.app.Logins), s.count("messages", d.app.Messages), s.count("API calls", d.callers.total), s.count("mails", d.app.Mails), bar)
}

func (s *screen) count(what string, total func() (made, failed int)) string {
	made, failed := total()
	text := s.colour(green, "0 failed")
	if failed > 0 {
		text = s.colour(red, fmt.Sprintf("%d failed", failed))
	}
	return fmt.Sprintf("%s %d, %s", what, made, text)
}
