package cli

import (
	"bufio"
	"fmt"
	"strings"

	"mautic-rotation/internal/operator/fault"
)

// confirm asks a question, unless --yes has answered it. Any answer but yes returns an error,
// and nothing is done.
func (r *run) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !r.Asks {
		return fault.New(fault.Usage, "not a terminal, so nothing was changed", "run it again with --yes to confirm")
	}
	fmt.Fprint(r.Messages, question+" [y/N] ")
	lines := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(r.In).ReadString('\n')
		if err != nil {
			fmt.Fprintln(r.Messages)
		}
		lines <- line
	}()
	select {
	case <-r.Done():
		fmt.Fprintln(r.Messages)
		return r.Err()
	case line := <-lines:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return fault.New(fault.Usage, "nothing was changed", "")
	}
}
