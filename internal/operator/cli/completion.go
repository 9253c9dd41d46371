package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"mautic-rotation/internal/operator/token"
	"mautic-rotation/internal/operator/view"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish. For bash: source <(mautic-rotation completion bash)."`
}

func (c completionCommand) Run(r *run) error {
	scripts := map[string]func(*kong.Node) string{"bash": bash, "zsh": zsh, "fish": fish}
	_, err := fmt.Fprint(r.Out, scripts[c.Shell](r.model.Model.Node))
	return err
}

// choices are the values that can be completed for a flag.
func choices(f *kong.Flag) []string {
	if f.Name == "only" {
		return token.Kinds
	}
	if f.Enum == "" {
		return nil
	}
	return f.EnumSlice()
}

// commands are the visible commands.
func commands(app *kong.Node) (list []*kong.Node) {
	for _, c := range app.Children {
		if !c.Hidden {
			list = append(list, c)
		}
	}
	return list
}

// flags are the visible flags of some nodes.
func flags(nodes ...*kong.Node) (list []*kong.Flag) {
	for _, n := range nodes {
		for _, f := range n.Flags {
			if !f.Hidden {
				list = append(list, f)
			}
		}
	}
	return list
}

// words are all that can follow a command.
func words(app, command *kong.Node) (list []string) {
	for _, f := range flags(command, app) {
		list = append(list, "--"+f.Name)
	}
	for _, p := range command.Positional {
		if p.Enum != "" {
			list = append(list, p.EnumSlice()...)
		}
	}
	return list
}

func bash(app *kong.Node) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Completes %[1]s in bash: source <(%[1]s completion bash)\n_mautic_rotation() {\n", view.Program)
	out.WriteString("\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i words=\n")
	out.WriteString("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n")
	var names []string
	for _, c := range commands(app) {
		names = append(names, c.Name)
	}
	fmt.Fprintf(&out, "\t\t%s) command=${COMP_WORDS[i]}; break ;;\n\t\tesac\n\tdone\n\tcase $before in\n", strings.Join(names, "|"))
	told := map[string]bool{}
	for _, c := range append([]*kong.Node{app}, commands(app)...) {
		for _, f := range flags(c) {
			if list := choices(f); list != nil && !told[f.Name] {
				told[f.Name] = true
				fmt.Fprintf(&out, "\t--%s) words='%s' ;;\n", f.Name, strings.Join(list, " "))
			}
		}
	}
	out.WriteString("\t*) case $command in\n")
	for _, c := range commands(app) {
		fmt.Fprintf(&out, "\t\t%s) words='%s' ;;\n", c.Name, strings.Join(words(app, c), " "))
	}
	var global []string
	for _, f := range flags(app) {
		global = append(global, "--"+f.Name)
	}
	fmt.Fprintf(&out, "\t\t*) words='%s' ;;\n\t\tesac ;;\n\tesac\n", strings.Join(append(names, global...), " "))
	out.WriteString("\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n")
	fmt.Fprintf(&out, "complete -F _mautic_rotation %s\n", view.Program)
	return out.String()
}

// zsh uses bash's completion through bashcompinit.
func zsh(app *kong.Node) string {
	return fmt.Sprintf("# Completes %[1]s in zsh: source <(%[1]s completion zsh)\nautoload -U +X bashcompinit && bashcompinit\n", view.Program) +
		bash(app)[strings.IndexByte(bash(app), '\n')+1:]
}

func fish(app *kong.Node) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Completes %[1]s in fish: %[1]s completion fish | source\ncomplete -c %[1]s -f\n", view.Program)
	for _, c := range commands(app) {
		fmt.Fprintf(&out, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", view.Program, c.Name, quote(c.Help))
	}
	flag := func(f *kong.Flag, condition string) {
		fmt.Fprintf(&out, "complete -c %s%s -l %s -d %s", view.Program, condition, f.Name, quote(f.Help))
		if f.Short != 0 {
			fmt.Fprintf(&out, " -s %c", f.Short)
		}
		if list := choices(f); list != nil {
			fmt.Fprintf(&out, " -x -a %s", quote(strings.Join(list, " ")))
		} else if !f.IsBool() {
			out.WriteString(" -x")
		}
		out.WriteString("\n")
	}
	for _, f := range flags(app) {
		flag(f, "")
	}
	for _, c := range commands(app) {
		for _, f := range flags(c) {
			flag(f, fmt.Sprintf(" -n '__fish_seen_subcommand_from %s'", c.Name))
		}
		for _, p := range c.Positional {
			if p.Enum != "" {
				fmt.Fprintf(&out, "complete -c %s -n '__fish_seen_subcommand_from %s' -a %s\n", view.Program, c.Name, quote(strings.Join(p.EnumSlice(), " ")))
			}
		}
	}
	return out.String()
}

// quote quotes a text as one word for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
