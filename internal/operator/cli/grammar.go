package cli

// grammar is the command line.
type grammar struct {
	globals

	Status    statusCommand    `cmd:"" help:"Show the state of each credential, what needs you, and the commands for it."`
	Preflight preflightCommand `cmd:"" help:"Check whether a rotation would work. Changes nothing."`
	Verify    verifyCommand    `cmd:"" help:"Check that each target accepts the secret's current values and that every task uses them. Changes nothing."`
	Rotate    rotateCommand    `cmd:"" help:"Rotate now, and follow the rotation."`
	Reconcile reconcileCommand `cmd:"" help:"Have the function do now what it would do at its next tick."`
	Release   releaseCommand   `cmd:"" help:"Finish a held rotation, or end a rollout that cannot converge, after you have fixed the cause."`
	Abandon   abandonCommand   `cmd:"" help:"Abandon a rotation that is stuck before its promotion."`
	RollBack  rollBackCommand  `cmd:"" name:"roll-back" help:"Make the values before the last rotation current again."`
	Pause     pauseCommand     `cmd:"" help:"Pause the schedule. Rotations that you start by hand still run."`
	Resume    resumeCommand    `cmd:"" help:"End a pause."`
	History   historyCommand   `cmd:"" help:"Show what was rotated, when, by whom, and how each rotation ended."`
	Logs      logsCommand      `cmd:"" help:"Show the function's log as plain lines."`
	Explain   explainCommand   `cmd:"" help:"Explain a staging label or a version."`

	Completion completionCommand `cmd:"" help:"Print a script that completes this program's commands in a shell."`
	Reference  referenceCommand  `cmd:"" hidden:"" help:"Print the reference of all commands as Markdown."`
}

// globals are the flags that every command has.
type globals struct {
	Stack   string `env:"MAUTIC_ROTATION_STACK" placeholder:"NAME" help:"The CloudFormation stack. Default: the only one in the account and region, found by its tag."`
	Secret  string `placeholder:"NAME" help:"The secret, if the stack has several: its name, its ARN, or the UUID of one of its versions (at least 8 characters)."`
	Profile string `placeholder:"NAME" help:"The AWS profile."`
	Region  string `placeholder:"REGION" help:"The AWS region. Default: from the environment or the profile."`
	Output  string `enum:"text,json,csv" default:"text" placeholder:"FORM" help:"text or json; for history also csv."`
	NoColor bool   `name:"no-color" help:"Use no colours, even in a terminal. NO_COLOR in the environment does the same."`
	Version bool   `help:"Print the version."`
}

// json tells whether the output is for a program.
func (g globals) json() bool { return g.Output == "json" }
