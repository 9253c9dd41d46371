// Command figures draws the pictures of docs/figures: the logins of an application
// during a rotation by a plain ALTER USER and during one by this function, and the life
// of one rotation. It measures both rotations first, on a real MySQL server, with the
// function as it is deployed and the stand-in for AWS, and writes what it measured to
// measured.json beside the pictures.
//
//	go run ./cmd/figures                                      measure, and draw into docs/figures
//	go run ./cmd/figures -out DIR                             the same, into another directory
//	go run ./cmd/figures -from docs/figures/measured.json     draw again what was measured before
//
// The exit status is 1, and nothing is drawn, when a run observed too little, when the
// function's rotation was not completed, or when it had a login refused.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// measuredFile is where the measurements are kept, beside the pictures.
const measuredFile = "measured.json"

func main() {
	out := flag.String("out", filepath.Join("docs", "figures"), "the directory to write to")
	from := flag.String("from", "", "draw the measurements in this file instead of measuring")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *out, *from)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, from string) (err error) {
	var m measured
	if from != "" {
		m, err = readMeasured(from)
	} else {
		m, err = measure(ctx, func(text string) { fmt.Println(text) })
	}
	if err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("nothing was drawn: %w", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{}
	for name, draw := range figures {
		if files[name], err = draw(m); err != nil {
			return err
		}
	}
	if files[measuredFile], err = m.text(); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(out, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s, %.1f kB\n", path, float64(len(content))/1e3)
	}
	return nil
}

// figures are the pictures, by the names of their files.
var figures = map[string]func(measured) ([]byte, error){
	"logins.svg":   drawLogins,
	"rotation.svg": drawLife,
}

func readMeasured(path string) (m measured, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}
