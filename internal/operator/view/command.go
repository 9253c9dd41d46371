package view

import (
	"slices"
	"strings"

	"mautic-rotation/rotation/report"
)

// Program is its name, as one types it.
const Program = "mautic-rotation"

// A Stack is what a report is of.
type Stack struct {
	Name, Region string
	// Flags are those to repeat in a command: "--stack prod", where it was asked for by name.
	Flags []string
}

// command is what to type for a secret, where there are several to tell apart.
func (s Stack) command(verb string, several bool, secret string, more ...string) string {
	words := append([]string{Program, verb}, s.Flags...)
	if several {
		words = append(words, "--secret", secret)
	}
	return strings.Join(append(words, more...), " ")
}

// remedies are the words of the function's remedies for what this program does.
var remedies = []struct {
	words, verb string
}{
	{"emergency rotation again", "rotate --emergency"},
	{"send abandon", "abandon"},
	{"send release", "release"},
	{"then release", "release"},
	{"or release", "release"},
	{"move AWSCURRENT back by hand", "roll-back"},
}

// commands are what to type about what needs a person.
func (s Stack) commands(several bool, secret report.Secret, e report.Entry) (list []string) {
	text := e.Text + " " + e.Remedy
	verbs := []string{}
	if held(secret, e) {
		verbs = append(verbs, "release")
	}
	for _, r := range remedies {
		if strings.Contains(text, r.words) && !slices.Contains(verbs, r.verb) {
			verbs = append(verbs, r.verb)
		}
	}
	for _, verb := range verbs {
		if verb == "rotate --emergency" && e.Kind != "" {
			list = append(list, s.command("rotate", several, secret.Name, "--only", e.Kind, "--emergency"))
			continue
		}
		list = append(list, s.command(verb, several, secret.Name))
	}
	return list
}

// held tells whether what needs a person is a value that is held.
func held(secret report.Secret, e report.Entry) bool {
	for _, c := range secret.Credentials {
		for _, old := range c.Old {
			if c.Kind == e.Kind && old.Version == e.Version && old.State == "held" {
				return true
			}
		}
	}
	return false
}
