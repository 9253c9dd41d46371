package view

import (
	"slices"
	"strings"

	"mautic-rotation/rotation/report"
)

// Program is the program's name, as you type it.
const Program = "mautic-rotation"

// A Stack is the subject of a report.
type Stack struct {
	Name, Region string
	// Flags are those to repeat in commands, such as "--stack prod" if it was given.
	Flags []string
}

// command is what to type, with --secret if the stack has several.
func (s Stack) command(verb string, several bool, secret string, more ...string) string {
	words := append([]string{Program, verb}, s.Flags...)
	if several {
		words = append(words, "--secret", secret)
	}
	return strings.Join(append(words, more...), " ")
}

// remedies maps words in the function's remedies to commands of this program.
var remedies = []struct {
	words, verb string
}{
	{"emergency rotation again", emergencyVerb},
	{"send abandon", "abandon"},
	{"send release", "release"},
	{"then release", "release"},
	{"or release", "release"},
}

const emergencyVerb = "rotate --emergency"

// commands are what to type for something that needs an operator. Those that the function says
// would do nothing now are left out.
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
		switch {
		case verb == emergencyVerb && e.Kind != "":
			list = append(list, s.command("rotate", several, secret.Name, "--only", e.Kind, "--emergency"))
		case verb == emergencyVerb, Possible(secret, verb):
			list = append(list, s.command(verb, several, secret.Name))
		}
	}
	if back := moveBack(secret, e); back != "" {
		list = append(list, back+s.awsFlags())
	}
	return list
}

// Possible tells whether the action release, abandon or roll-back would do something. A function from an
// earlier release does not say.
func Possible(secret report.Secret, action string) bool {
	return secret.Possible == nil || slices.Contains(secret.Possible, action)
}

// moveBack is the command that moves AWSCURRENT where the function's remedy says. It is "" if the remedy does not
// say so, or if the report names no suitable version: a version may have the right value of one credential and a
// refused value of another. This program does not move it itself, because the function judges what follows from
// where AWSCURRENT is.
func moveBack(secret report.Secret, e report.Entry) string {
	current := ""
	for _, l := range secret.Labels {
		if l.Label == "AWSCURRENT" {
			current = l.Version
		}
	}
	to := ""
	switch _, after, _ := strings.Cut(e.Remedy, "move AWSCURRENT to version "); {
	case after != "":
		to, _, _ = strings.Cut(after, " ")
	case strings.Contains(e.Remedy, "move AWSCURRENT back by hand") && len(secret.Back) > 0:
		to = secret.Back[0]
	}
	if current == "" || !slices.Contains(secret.Back, to) {
		return ""
	}
	return "aws secretsmanager update-secret-version-stage --secret-id " + secret.Name + " --version-stage AWSCURRENT --move-to-version-id " + to + " --remove-from-version-id " + current
}

// awsFlags are the flags that the AWS CLI also has.
func (s Stack) awsFlags() (flags string) {
	for i, flag := range s.Flags {
		if (flag == "--profile" || flag == "--region") && i+1 < len(s.Flags) {
			flags += " " + flag + " " + s.Flags[i+1]
		}
	}
	return flags
}

// held tells whether an entry is about a held value.
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
