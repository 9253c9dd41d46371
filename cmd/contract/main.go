// Command contract checks this project's assumptions about AWS.
//
//	go run ./cmd/contract                                 check them against the stand-in that the tests use
//	AWS_PROFILE=scratch go run ./cmd/contract -aws        check them against AWS, in a scratch account
//	go run ./cmd/contract -list                           list them, without checking any
//
// In AWS it creates secrets, a function, its role and its log group, whose names begin with mautic-contract- and whose tag
// is mautic-rotation-contract. It says what that costs and asks first, touches nothing else, and removes everything at the
// end, also after a failure or an interrupt. If a run is killed, a later one removes what it left, once that is an hour old.
//
// The exit status is 1 if an assumption is wrong, if one could not be checked because something else failed, or if something
// could not be removed; 2 if the arguments are wrong; 3 if the question was not answered with yes.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/localaws"
)

const (
	exitFound    = 1
	exitUsage    = 2
	exitDeclined = 3
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// arguments are the command line's.
type arguments struct {
	aws, yes, list bool
	out, archive   string
	arch           string
	patience       time.Duration
	only           *regexp.Regexp
}

func parse(args []string, stderr io.Writer) (a arguments, err error) {
	flags := flag.NewFlagSet("contract", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&a.aws, "aws", false, "check against AWS, with the AWS CLI's credentials and region")
	flags.BoolVar(&a.yes, "yes", false, "do not ask for confirmation before creating what costs money")
	flags.BoolVar(&a.list, "list", false, "list the assumptions, without checking any")
	flags.StringVar(&a.out, "out", "", "also write the table to this `file`: Markdown if it ends with .md, otherwise JSON")
	flags.StringVar(&a.archive, "archive", "", "use this `zip` for the function instead of building one")
	flags.StringVar(&a.arch, "arch", "arm64", "the architecture of the function in AWS: arm64 or amd64")
	flags.DurationVar(&a.patience, "patience", 35*time.Minute, "skip checks that take longer than this")
	only := flags.String("only", "", "check only the assumptions whose names match this `regexp`")
	if err := flags.Parse(args); err != nil {
		return a, err
	}
	if flags.NArg() > 0 {
		err = fmt.Errorf("unknown argument %q", flags.Arg(0))
	} else {
		a.only, err = regexp.Compile(*only)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return a, err
}

// facts are the chosen ones.
func (a arguments) facts() (chosen []contract.Fact) {
	for _, f := range contract.Facts() {
		if a.only.MatchString(f.Name) {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitUsage
	}
	facts := a.facts()
	switch {
	case len(facts) == 0:
		fmt.Fprintln(stderr, "-only: no name matches; -list shows them")
		return exitUsage
	case a.list:
		list(stdout, facts)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	p := program{arguments: a, stdin: stdin, stdout: stdout, stderr: stderr}
	err = p.run(ctx, facts)
	switch {
	case errors.Is(err, errDeclined):
		fmt.Fprintln(stdout, "Nothing was created.")
		return exitDeclined
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitFound
	}
	return 0
}

func list(w io.Writer, facts []contract.Fact) {
	for _, f := range facts {
		fmt.Fprintf(w, "%s\n    %s\n", f.Name, strings.Join(f.Believed, ", or "))
		if f.Unasked != "" {
			fmt.Fprintf(w, "    not asked: %s\n", f.Unasked)
		}
		if f.Takes > 0 {
			fmt.Fprintf(w, "    takes up to %s on AWS\n", contract.Words(f.Takes))
		}
		fmt.Fprintf(w, "    depends on it: %s\n", f.DependsOn)
	}
}

var (
	errDeclined = errors.New("declined")
	errFound    = errors.New("not every assumption holds")
)

// program is one run.
type program struct {
	arguments
	stdin          io.Reader
	stdout, stderr io.Writer
}

func (p program) run(ctx context.Context, facts []contract.Fact) error {
	if p.aws {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return err
		}
		if cfg.Region == "" {
			return errors.New("which region? Set AWS_REGION, or the profile's region")
		}
		place, err := contract.AWS(ctx, cfg)
		if err != nil {
			return err
		}
		return p.ask(ctx, place, p.arch, facts)
	}
	srv, err := localaws.Start(localaws.Options{})
	if err != nil {
		return err
	}
	return errors.Join(p.ask(ctx, contract.StandIn(srv), runtime.GOARCH, facts), srv.Close())
}

func (p program) ask(ctx context.Context, place contract.Place, goarch string, facts []contract.Fact) (err error) {
	account, err := contract.Open(ctx, place)
	if err != nil {
		return err
	}
	left, err := account.Leftovers(ctx)
	if err != nil {
		return err
	}
	if p.aws {
		p.announce(account, facts, left)
		if err := p.confirm(ctx); err != nil {
			return err
		}
	}
	archive, err := p.function(ctx, goarch)
	if err != nil {
		return err
	}
	if err := account.Sweep(ctx, left); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.clean(ctx, account)) }()
	if err := account.Deploy(ctx, archive); err != nil {
		return err
	}
	report := contract.Report{Place: account.Place(), Run: account.Run(), At: place.Now()}
	if !p.aws {
		p.patience = 0 // the stand-in's clock is moved forward
	}
	report.Results = contract.Ask(ctx, account, facts, contract.Options{Patience: p.patience, Done: func(r contract.Result) {
		contract.PrintResult(p.stdout, r)
	}})
	report.Sum(p.stdout)
	if p.out != "" {
		if err := report.Write(p.out); err != nil {
			return err
		}
	}
	if !contract.Clean(report.Results) {
		return errFound
	}
	return nil
}

// announce prints what will be done, and what it costs.
func (p program) announce(account *contract.Account, facts []contract.Fact, left contract.Leftovers) {
	fmt.Fprintf(p.stdout, "%s\n\nThis creates at most %d secrets, a function, its role and its log group, named %s… and tagged %s,\n"+
		"runs the checks with them, and removes them. It touches nothing else.\n",
		account.Place(), contract.MostSecrets, contract.Prefix+account.Run(), contract.TagKey)
	fmt.Fprintf(p.stdout, "It costs at most %d US cents, at 0.40 USD a month for each secret, which exist for %s, and 0.05 USD for 10,000 calls.\n",
		contract.Cents(facts, p.patience), contract.Hours(facts, p.patience))
	fmt.Fprintf(p.stdout, "It takes up to %s.\n", contract.Words(contract.Longest(facts, p.patience)))
	if len(left) > 0 {
		fmt.Fprintf(p.stdout, "An earlier run was killed. What it left is removed first:\n  %s\n", strings.Join(left.Names(), "\n  "))
	}
}

// confirm asks whether to continue. No answer means no.
func (p program) confirm(ctx context.Context) error {
	if p.yes {
		return nil
	}
	fmt.Fprint(p.stdout, "Continue? Type yes: ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		if line == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(p.stdout)
	}
	return errDeclined
}

// function returns the archive to deploy.
func (p program) function(ctx context.Context, goarch string) (contract.Archive, error) {
	if p.archive == "" {
		return contract.Build(ctx, goarch)
	}
	packed, err := os.ReadFile(p.archive)
	return contract.Archive{Zip: packed, Architecture: contract.Architecture(goarch)}, err
}

// clean removes what the run has created, even if it was interrupted.
func (p program) clean(ctx context.Context, account *contract.Account) error {
	if ctx.Err() != nil {
		fmt.Fprintln(p.stderr, "Interrupted. Removing what was created; interrupt again to leave that to the next run.")
	}
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	defer cancel()
	if err := account.Clean(cleaning); err != nil {
		return fmt.Errorf("%w\nThe next run removes the rest, if it starts an hour from now or later", err)
	}
	fmt.Fprintln(p.stdout, "Everything that was created has been removed.")
	return nil
}
