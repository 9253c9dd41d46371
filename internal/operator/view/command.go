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
	{"emergency rotation again", emergencyVerb},
	{"send abandon", "abandon"},
	{"send release", "release"},
	{"then release", "release"},
	{"or release", "release"},
}

const emergencyVerb = "rotate --emergency"

// commands are what to type about what needs a person: what the function says is of no use now
// is left out.
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

// Possible tells whether one of the actions release, abandon and roll-back would do something. A function
// of an earlier release does not say.
func Possible(secret report.Secret, action string) bool {
	return secret.Possible == nil || slices.Contains(secret.Possible, action)
}

// moveBack is the command by which a person moves AWSCURRENT where the function's remedy says; "" where it does
// not say so, or the report names no version that fits: a version may have the right value of one credential, and
// one of another that is refused. This program does not move it: the function can judge what follows only from
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

// awsFlags are those of the flags that the AWS CLI has, too.
func (s Stack) awsFlags() (flags string) {
	for i, flag := range s.Flags {
		if (flag == "--profile" || flag == "--region") && i+1 < len(s.Flags) {
			flags += " " + flag + " " + s.Flags[i+1]
		}
	}
	return flags
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
