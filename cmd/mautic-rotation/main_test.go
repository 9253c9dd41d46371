package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

func TestMain(m *testing.M) { mysqltest.Main(cleaning{m}) }

// cleaning removes what the tests share.
type cleaning struct{ tests *testing.M }

func (c cleaning) Run() int {
	defer os.RemoveAll(dir())
	return c.tests.Run()
}

var dir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "mautic-rotation-program-")
	if err != nil {
		panic(err)
	}
	return dir
})

// function is what `make build` makes, and program what `make operator` makes, for this machine;
// each is built once.
var (
	function = sync.OnceValues(func() (string, error) { return rig.BuildFunction(context.Background(), dir()) })
	program  = sync.OnceValues(func() (string, error) { return build(dir()) })
)

func build(dir string) (string, error) {
	file := filepath.Join(dir, "mautic-rotation")
	command := exec.Command("make", "--no-print-directory", "-C", "../..", "operator", "OPERATOR="+file)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("make operator: %w\n%s", err, &out)
	}
	return file, nil
}
