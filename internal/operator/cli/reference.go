package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
)

type referenceCommand struct{}

func (referenceCommand) Run(r *run) error {
	_, err := fmt.Fprint(r.Out, reference(r.model))
	return err
}

// reference describes all commands, in Markdown.
func reference(k *kong.Kong) string {
	var out strings.Builder
	out.WriteString("# The operator's program\n\n")
	fmt.Fprintf(&out, "`%s` %s%s Build it with `make operator` (`build/mautic-rotation`) or `go install ./cmd/mautic-rotation`. [operate](operate.md) explains\n"+
		"the terms, and says what to do when. This page is generated: `go run ./cmd/mautic-rotation reference >docs/reference.md`.\n\n", view.Program,
		strings.ToLower(description[:1]), strings.ReplaceAll(description[1:], "\n\n", " "))
	out.WriteString("It also uses the AWS CLI's SSO sessions and endpoints (`AWS_ENDPOINT_URL`). It never prints a secret value: the function's answers contain\n" +
		"none, and the program reads none.\n\n")
	out.WriteString("## Exit codes\n\n| code | meaning |\n| --- | --- |\n")
	for code, meaning := range fault.Codes {
		fmt.Fprintf(&out, "| %d | %s |\n", code, meaning)
	}
	out.WriteString("\n## Flags of every command\n\n")
	table(&out, flags(k.Model.Node))
	out.WriteString("\n## Commands\n")
	for _, c := range commands(k.Model.Node) {
		line := view.Program + " " + c.Name
		for _, p := range c.Positional {
			line += " <" + p.Name + ">"
		}
		fmt.Fprintf(&out, "\n### %s\n\n`%s`\n\n%s\n", c.Name, line, c.Help)
		for _, p := range c.Positional {
			fmt.Fprintf(&out, "\n`<%s>`: %s\n", p.Name, p.Help)
		}
		if len(flags(c)) > 0 {
			out.WriteString("\n")
			table(&out, flags(c))
		}
	}
	return out.String()
}

func table(out *strings.Builder, list []*kong.Flag) {
	out.WriteString("| flag | meaning | default |\n| --- | --- | --- |\n")
	for _, f := range list {
		name := "--" + f.Name
		if f.Short != 0 {
			name = fmt.Sprintf("-%c, %s", f.Short, name)
		}
		if !f.IsBool() {
			name += "=" + strings.ToUpper(placeholder(f))
		}
		value := ""
		if f.HasDefault && !f.IsBool() {
			value = "`" + f.Default + "`"
		}
		for _, env := range f.Envs {
			value = strings.TrimPrefix(value+", `$"+env+"`", ", ")
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", name, strings.ReplaceAll(f.Help, "|", "\\|"), value)
	}
}

func placeholder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return f.Name
}
