// Command servers fetches the database servers and the PHP that the tests use, unless they are there, and lists them.
//
//	go run ./cmd/servers
//
// It is a command because go test shows a test program's output only when a test fails, which would hide the warning that
// a server is not the pinned version.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/php"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	say := func(message string) { fmt.Println(message) }
	for _, series := range mysqlserver.Pinned() {
		origin, err := mysqlserver.Fetch(ctx, series, say)
		if err != nil {
			return err
		}
		fmt.Printf("%-14s %s\n", series.Name(), origin)
	}
	origin, err := php.Origin(ctx, say)
	if err != nil {
		return err
	}
	fmt.Printf("%-14s %s\n", "PHP", origin)
	return nil
}
