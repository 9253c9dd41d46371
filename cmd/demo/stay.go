package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mautic-rotation/internal/rig"
)

// stay prints what to try, shows what happens, and accepts commands that break
// things, until it is interrupted.
func (d *demo) stay(ctx context.Context, commands io.Reader) error {
	if err := d.call(ctx); err != nil {
		return err
	}
	defer func() { _ = d.callers.end() }()
	d.screen.showTime()
	if err := d.TurnScheduleOn(ctx); err != nil {
		return fmt.Errorf("turn on the schedule: %w", err)
	}
	d.screen.endTime()
	fmt.Fprint(d.screen.out, d.guide())
	d.screen.showTime()
	lines := make(chan string)
	go readLines(commands, lines)
	for {
		select {
		case <-ctx.Done():
			d.screen.line("stopping")
			return nil
		case line, ok := <-lines:
			if !ok {
				lines = nil // the input ended; events are still shown
				continue
			}
			if err := d.obey(ctx, line); err != nil {
				d.screen.line(d.screen.colour(red, "! ") + err.Error())
			}
		}
	}
}

// readLines sends each line. It ends with its input, or with the process.
func readLines(from io.Reader, to chan<- string) {
	defer close(to)
	for scanner := bufio.NewScanner(from); scanner.Scan(); {
		to <- scanner.Text()
	}
}

// guide is the text that says what to try.
func (d *demo) guide() string {
	var exports strings.Builder
	for _, entry := range d.AWS.Env() {
		fmt.Fprintf(&exports, "  export %s\n", entry)
	}
	return fmt.Sprintf(`
In another terminal, use the operator's program (build it with make operator) or the AWS CLI version 2:

%[1]s  export MAUTIC_ROTATION_STACK=%[2]s

  build/mautic-rotation status
  build/mautic-rotation preflight
  build/mautic-rotation rotate
  build/mautic-rotation rotate --only admin
  build/mautic-rotation history

  aws secretsmanager rotate-secret --secret-id %[3]s
  aws secretsmanager describe-secret --secret-id %[3]s
  aws secretsmanager list-secret-version-ids --secret-id %[3]s
  aws secretsmanager get-secret-value --secret-id %[3]s --version-stage AWSPREVIOUS
  aws ecs describe-services --cluster %[4]s --services %[5]s

  # would a rotation work? (changes nothing)
  aws secretsmanager rotate-secret --secret-id %[3]s --no-rotate-immediately

  # rotate one credential only (no uuidgen? any 32 or more characters that you have not used)
  aws secretsmanager rotate-secret --secret-id %[3]s --client-request-token only.admin.$(uuidgen)

  # does Mautic know an API client? its id and key are in the secret
  curl %[6]s/oauth/v2/token -d grant_type=client_credentials -d client_id=… -d client_secret=…

  # the function refuses any secret that is not among its SECRET_ARNS
  aws secretsmanager create-secret --name another --secret-string '{"database_password":"x"}'

  aws secretsmanager cancel-rotate-secret --secret-id %[3]s

%[7]s
Everything that happens is shown here. Stop with Ctrl-C; nothing is left behind.

`, exports.String(), rig.StackName, d.SecretName, rig.ClusterName, strings.Join(d.app.Services, " "), d.Mautic.URL(), obeyed)
}

// obeyed are the commands of obey.
const obeyed = `In this terminal, type a line to break things:

  clock 20m          move AWS's clock forward, by minutes (m), hours (h) or days (d)
  break, mend        make new tasks fail at start, or start again
  cron-lacks, cron-has
                     make cron jobs use the password in config/local.php, or the one in the environment
  deploy SERVICE     deploy a service, as a CI pipeline would
  sql STATEMENT      run an SQL statement as the database's administrator
  help
`

// obey carries out a typed line.
func (d *demo) obey(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "":
		return nil
	case "clock":
		by, err := parseDays(rest)
		if err != nil {
			return fmt.Errorf("clock: %w; use a form like 20m, 3h or 7d", err)
		}
		d.moveOn(by, rest)
	case "break", "mend":
		d.app.Broken.Store(word == "break")
		d.screen.line(map[bool]string{true: "from now on new tasks fail at start, unless they read the first password", false: "new tasks can start again"}[word == "break"])
	case "cron-lacks", "cron-has":
		d.app.JobsLackVariables.Store(word == "cron-lacks")
		d.screen.line(map[bool]string{true: "cron jobs now log in with the password in config/local.php", false: "cron jobs now log in with the password in the environment"}[word == "cron-lacks"])
	case "deploy":
		if !slices.Contains(d.app.Services, rest) {
			return fmt.Errorf("deploy: unknown service %q; choose one of %s", rest, strings.Join(d.app.Services, ", "))
		}
		return d.Deploy(ctx, rest)
	case "sql":
		return d.query(ctx, rest)
	case "help":
		d.screen.line(obeyed)
	default:
		return fmt.Errorf("unknown command %q; type help for the list", word)
	}
	return nil
}

// query runs a statement as the database's administrator, and shows what it returns.
func (d *demo) query(ctx context.Context, statement string) error {
	rows, err := d.MySQL.Admin().QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	n := 0
	for rows.Next() {
		row, into := make([]*string, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		var text []string
		for i, value := range row {
			if value == nil {
				text = append(text, columns[i]+": NULL")
				continue
			}
			text = append(text, columns[i]+": "+*value)
		}
		d.screen.line("  " + strings.Join(text, ", "))
		n++
	}
	d.screen.line(fmt.Sprintf("  done, %d rows", n))
	return rows.Err()
}

// parseDays parses a duration that may start with whole days.
func parseDays(text string) (time.Duration, error) {
	var span time.Duration
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number of days", days)
		}
		span = time.Duration(n) * 24 * time.Hour
		if text = rest; text == "" {
			return span, nil
		}
	}
	more, err := time.ParseDuration(text)
	if err != nil || more < 0 {
		return 0, fmt.Errorf("%q is not a duration", text)
	}
	return span + more, nil
}
