package cli

// grammar is the command line.
type grammar struct {
	globals

	Status    statusCommand    `cmd:"" help:"How each credential stands, what needs you, and what to type about it."`
	Preflight preflightCommand `cmd:"" help:"Whether a rotation would work. Changes nothing."`
	Verify    verifyCommand    `cmd:"" help:"Whether each target accepts the secret's current values, and no task runs with others. Changes nothing."`
	Rotate    rotateCommand    `cmd:"" help:"Rotate now, and follow it."`
	Reconcile reconcileCommand `cmd:"" help:"Have the function look now, and do what is next, rather than at its next tick."`
	Release   releaseCommand   `cmd:"" help:"Finish a held rotation, or end a rollout that cannot converge, once you have corrected what was wrong."`
	Abandon   abandonCommand   `cmd:"" help:"Give up a rotation that is stuck before its promotion."`
	RollBack  rollBackCommand  `cmd:"" name:"roll-back" help:"Make the values before the last rotation current again."`
	Pause     pauseCommand     `cmd:"" help:"Have the schedule change nothing for a while. Rotations by hand still run."`
	Resume    resumeCommand    `cmd:"" help:"End a pause."`
	History   historyCommand   `cmd:"" help:"What was changed, when, by whom, and how each rotation ended."`
	Logs      logsCommand      `cmd:"" help:"The function's log, in plain lines."`
	Explain   explainCommand   `cmd:"" help:"What a staging label or a version is."`

	Completion completionCommand `cmd:"" help:"A script that completes this program's commands in a shell."`
	Reference  referenceCommand  `cmd:"" hidden:"" help:"The reference of all commands, in Markdown."`
}

// globals are the flags of every command.
type globals struct {
	Stack   string `env:"MAUTIC_ROTATION_STACK" placeholder:"NAME" help:"The CloudFormation stack. Default: the only one that is found by its tag."`
	Secret  string `placeholder:"NAME" help:"The secret, by name, ARN or a version's UUID (8 characters or more), where the stack has several."`
	Profile string `placeholder:"NAME" help:"The profile of AWS's configuration."`
	Region  string `placeholder:"REGION" help:"The AWS region. Default: the environment's or the profile's."`
	Output  string `enum:"text,json,csv" default:"text" placeholder:"FORM" help:"text or json; of history, csv too."`
	NoColor bool   `name:"no-color" help:"No colours, in a terminal either; so does NO_COLOR in the environment."`
	Version bool   `help:"Print the version."`
}

// json tells whether output is for a program.
func (g globals) json() bool { return g.Output == "json" }
