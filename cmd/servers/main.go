// Command servers fetches the database servers that tests run on, unless they are there, and says which they are.
//
//	go run ./cmd/servers
//
// go test shows what a test program writes only when a test fails: a warning that another version than the pinned one is in use
// would not be seen there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"mautic-rotation/internal/mysqlserver"
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
	for _, series := range mysqlserver.Pinned() {
		origin, err := mysqlserver.Fetch(ctx, series, func(message string) { fmt.Println(message) })
		if err != nil {
			return err
		}
		fmt.Printf("%-14s %s\n", series.Name(), origin)
	}
	return nil
}
