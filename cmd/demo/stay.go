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

// stay prints what to try, shows what happens, and takes commands that break
// things, until it is interrupted.
func (d *demo) stay(ctx context.Context, commands io.Reader) error {
	if err := d.call(ctx); err != nil {
		return err
	}
	defer func() { _ = d.callers.end() }()
	d.screen.showTime()
	if err := d.TurnScheduleOn(ctx); err != nil {
		return fmt.Errorf("turn the schedule on: %w", err)
	}
	d.screen.endTime()
	fmt.Fprint(d.screen.out, d.guide())
	d.screen.showTime()
	lines := make(chan string)
	go readLines(commands, lines)
	for {
		select {
		case <-ctx.Done():
			d.screen.line("ending")
			return nil
		case line, ok := <-lines:
			if !ok {
				lines = nil // no more of them; what happens is shown on
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

// guide is what can be tried.
func (d *demo) guide() string {
	var exports strings.Builder
	for _, entry := range d.AWS.Env() {
		fmt.Fprintf(&exports, "  export %s\n", entry)
	}
	return fmt.Sprintf(`
In another terminal, with the operator's program (make operator) or the AWS CLI version 2:

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

  # would a rotation work? nothing is changed
  aws secretsmanager rotate-secret --secret-id %[3]s --no-rotate-immediately

  # one credential alone (without uuidgen: any 32 characters or more that are new)
  aws secretsmanager rotate-secret --secret-id %[3]s --client-request-token only.admin.$(uuidgen)

  # does Mautic know an API client? its id and key are in the secret
  curl %[6]s/oauth/v2/token -d grant_type=client_credentials -d client_id=… -d client_secret=…

  # a secret of your own is refused until it is among the function's SECRET_ARNS
  aws secretsmanager create-secret --name another --secret-string '{"database_password":"x"}'

  aws secretsmanager cancel-rotate-secret --secret-id %[3]s

%[7]s
What happens is shown here. End it with Ctrl-C; nothing stays behind.

`, exports.String(), rig.StackName, d.SecretName, rig.ClusterName, strings.Join(d.app.Services, " "), d.Mautic.URL(), obeyed)
}

// obeyed are the commands of obey.
const obeyed = `In this terminal, to break things; each is a line that you type:

  clock 20m          move AWS's clock on, by hours (h) and days (d) too
  break, mend        have new tasks fail at their start, or start again
  cron-lacks, cron-has
                     have cron jobs take the password of config/local.php, or that of the variable
  deploy SERVICE     deploy a service, as a CI pipeline does
  sql STATEMENT      run a statement as the database's administrator
  help
`

// obey does what a line asks for.
func (d *demo) obey(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "":
		return nil
	case "clock":
		by, err := parseDays(rest)
		if err != nil {
			return fmt.Errorf("clock: %w; write it like 20m, 3h or 7d", err)
		}
		d.moveOn(by, rest)
	case "break", "mend":
		d.app.Broken.Store(word == "break")
		d.screen.line(map[bool]string{true: "new tasks fail at their start from now on, unless they read the first password", false: "new tasks start again"}[word == "break"])
	case "cron-lacks", "cron-has":
		d.app.JobsLackVariables.Store(word == "cron-lacks")
		d.screen.line(map[bool]string{true: "cron jobs log in with the password that config/local.php holds", false: "cron jobs log in with the variable's password"}[word == "cron-lacks"])
	case "deploy":
		if !slices.Contains(d.app.Services, rest) {
			return fmt.Errorf("deploy: there is no service %q: take one of %s", rest, strings.Join(d.app.Services, ", "))
		}
		return d.Deploy(ctx, rest)
	case "sql":
		return d.query(ctx, rest)
	case "help":
		d.screen.line(obeyed)
	default:
		return fmt.Errorf("there is no command %q; help lists them", word)
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
	d.screen.line(fmt.Sprintf("  done; rows: %d", n))
	return rows.Err()
}

// parseDays reads a span of time that may have whole days before its hours.
func parseDays(text string) (time.Duration, error) {
	var span time.Duration
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is no number of days", days)
		}
		span = time.Duration(n) * 24 * time.Hour
		if text = rest; text == "" {
			return span, nil
		}
	}
	more, err := time.ParseDuration(text)
	if err != nil || more < 0 {
		return 0, fmt.Errorf("%q is no span of time", text)
	}
	return span + more, nil
}
