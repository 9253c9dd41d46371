package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// shown is the directory with the pictures that the docs show.
const shown = "../../docs/figures"

// recorded are the measurements that these were drawn from.
func recorded(t *testing.T) measured {
	t.Helper()
	m, err := readMeasured(filepath.Join(shown, measuredFile))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheFiguresInTheDocsAreDrawnFromTheMeasurementsBesideThem(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := run(t.Context(), out, filepath.Join(shown, measuredFile)); err != nil {
		t.Fatal(err)
	}
	for name := range figures {
		drawn, committed := read(t, filepath.Join(out, name)), read(t, filepath.Join(shown, name))
		if !bytes.Equal(drawn, committed) {
			t.Errorf("docs/figures/%s is not what is drawn from %s: make figures FIGURES='-from docs/figures/measured.json'", name, measuredFile)
		}
	}
	if !bytes.Equal(read(t, filepath.Join(out, measuredFile)), read(t, filepath.Join(shown, measuredFile))) {
		t.Error("the measurements are not written as they were read")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEachFigureIsSmallAndWellFormedAndHasItsTexts(t *testing.T) {
	t.Parallel()
	texts := map[string][]string{
		"logins.svg": {"accepted", "refused", "logins per 100 ms", "seconds since the rotation began", "redeploy begins", "last old task stopped", "old password refused"},
		"rotation.svg": {"createSecret", "setSecret", "testSecret", "finishSecret promotes", "redeploy begins", "rollout converged", "quarantined", "retired",
			"old password accepted", "new password accepted", "of 5 tasks, on the old one", "of 5 tasks, on the new one"},
	}
	for name, draw := range figures {
		picture, err := draw(recorded(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(picture) > 100_000 {
			t.Errorf("%s has %d bytes", name, len(picture))
		}
		inside := map[string]string{} // of the elements of each name
		open := []string{}
		for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				open = append(open, token.Name.Local)
			case xml.EndElement:
				open = open[:len(open)-1]
			case xml.CharData:
				if len(open) > 0 {
					inside[open[len(open)-1]] += string(token) + "\n"
				}
			}
		}
		if len(texts[name]) == 0 || inside["title"] == "" || inside["desc"] == "" {
			t.Errorf("%s lacks a title or a description", name)
		}
		for _, text := range texts[name] {
			if !strings.Contains(inside["text"], text+"\n") {
				t.Errorf("%s has no text %q", name, text)
			}
		}
	}
}

// The areas tell the numbers of logins, as far as they are shown.
func TestTheAreasOfTheLoginsAreInTheirProportion(t *testing.T) {
	t.Parallel()
	m := recorded(t)
	// A time at which everything is shown, so that the numbers are those of all bins.
	m.Function.Marks[quarantined] = m.Function.Marks[converged] + 3
	picture, err := drawLogins(m)
	if err != nil {
		t.Fatal(err)
	}
	accepted, refused := m.AlterUser.totals()
	more, none := m.Function.totals()
	if refused == 0 || none != 0 {
		t.Fatalf("%d and %d logins were refused", refused, none)
	}
	want := float64(refused) / float64(accepted+more)
	got := painted(t, picture, "#D55E00") / painted(t, picture, "#0072B2")
	if math.Abs(got/want-1) > 0.02 {
		t.Errorf("the area of refused logins is %.4f of that of accepted ones, and they are %.4f of them", got, want)
	}
}

var (
	pathOf  = regexp.MustCompile(`<path d="([^"]*)"\s*style="fill:(#[0-9A-F]{6})`)
	pointOf = regexp.MustCompile(`[ML](-?[0-9.e+-]+),(-?[0-9.e+-]+)`)
)

// painted is the area that has a colour.
func painted(t *testing.T, picture []byte, colour string) (sum float64) {
	t.Helper()
	for _, path := range pathOf.FindAllSubmatch(picture, -1) {
		if string(path[2]) != colour {
			continue
		}
		var xs, ys []float64
		for _, point := range pointOf.FindAllSubmatch(path[1], -1) {
			x, errX := strconv.ParseFloat(string(point[1]), 64)
			y, errY := strconv.ParseFloat(string(point[2]), 64)
			if errX != nil || errY != nil {
				t.Fatalf("%q: %v", point[0], errors.Join(errX, errY))
			}
			xs, ys = append(xs, x), append(ys, y)
		}
		if len(xs) <= 5 {
			continue // the legend's
		}
		twice := 0.0
		for i := range xs {
			next := (i + 1) % len(xs)
			twice += xs[i]*ys[next] - xs[next]*ys[i]
		}
		sum += math.Abs(twice) / 2
	}
	if sum == 0 {
		t.Fatalf("nothing is %s", colour)
	}
	return sum
}

func TestARunThatHasNotObservedARotationDrawsNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*measured){
		"no measurements":                  func(m *measured) { *m = measured{} },
		"no logins":                        func(m *measured) { clear(m.Function.Accepted) },
		"too few logins":                   func(m *measured) { clear(m.AlterUser.Accepted[len(m.AlterUser.Accepted)/3:]) },
		"nothing before the rotation":      func(m *measured) { m.Function.From = 0 },
		"none refused by ALTER USER":       func(m *measured) { clear(m.AlterUser.Refused) },
		"one refused by the function":      func(m *measured) { m.Function.Refused[9] = 1 },
		"no step":                          func(m *measured) { delete(m.Function.Steps, "testSecret") },
		"no convergence":                   func(m *measured) { delete(m.Function.Marks, converged) },
		"not retired":                      func(m *measured) { delete(m.Function.Marks, retired) },
		"the old password was not tried":   func(m *measured) { delete(m.Function.Marks, refused) },
		"no observation":                   func(m *measured) { m.Function.Marks[quarantined] = m.Function.Marks[converged] + 1 },
		"an old task is left":              func(m *measured) { m.Function.Running[len(m.Function.Running)-1].Old = 1 },
		"tasks that were not seen to run":  func(m *measured) { m.AlterUser.Running = nil },
		"no overlap":                       func(m *measured) { m.Function.Passwords[1].Old = false },
		"the old password is accepted yet": func(m *measured) { m.Function.Passwords[len(m.Function.Passwords)-1].Old = true },
	} {
		m := recorded(t)
		if err := m.check(); err != nil {
			t.Fatal(err)
		}
		change(&m)
		text, err := m.text()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		from := filepath.Join(dir, "changed.json")
		if err := os.WriteFile(from, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out")
		if err := run(t.Context(), out, from); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was drawn", name)
		}
	}
}

// It is for these pictures alone.
func TestNoProgramThatIsDeployedLinksTheLibraryThatDraws(t *testing.T) {
	t.Parallel()
	links := func(program string) bool {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(out, []byte("gonum.org/"))
	}
	if !links(".") {
		t.Error("this program does not: is it another library?")
	}
	for _, program := range []string{"mautic-rotation/lambda", "mautic-rotation/cmd/mautic-rotation"} {
		if links(program) {
			t.Errorf("%s links it", program)
		}
	}
}
