// Command servers fetches the database servers that tests run on, and PHP, unless they are there, and says which they are.
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
