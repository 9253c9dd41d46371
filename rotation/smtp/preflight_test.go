package smtp

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/rotation/document"
)

// found are the problems and the warnings of a preflight, one a line.
func (f *fixture) found(d document.Document) (problems, warnings string) {
	for _, check := range f.kind.Preflight(f.ctx, d) {
		if check.Problem != nil {
			problems += check.What + ": " + check.Problem.Error() + "\n"
		}
		if check.Warning != nil {
			warnings += check.What + ": " + check.Warning.Error() + "\n"
		}
	}
	return problems, warnings
}

func TestAPreflightOfAUserThatIsInOrderFindsNothingAndChangesNothing(t *testing.T) {
	f := newFixture(t)
	problems, warnings := f.found(f.documents[0])
	if problems != "" || warnings != "" {
		t.Errorf("problems: %s\nwarnings: %s", problems, warnings)
	}
	f.wantKeys(f.first.ID + " Active")
	if f.calls("CreateAccessKey") > 0 || len(f.kind.Preflight(f.ctx, f.documents[0])) < 8 {
		t.Error("it has changed something, or not looked at much")
	}
}

func TestAPreflightNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		setup   func(*setup)
		given   func(*fixture)
		problem []string
		warning []string
	}{
		{name: "no credential", given: func(f *fixture) { f.documents[0] = parse(f.t, "{}") }, problem: []string{"smtp_username"}},
		{name: "no region", given: func(f *fixture) { f.kind.config.Region = "" }, problem: []string{"SMTP_REGION"}},
		{name: "no user", given: func(f *fixture) { f.kind.config.User = "nobody" }, problem: []string{"no such user", "SMTP_IAM_USER"}},
		{name: "another user's key", given: func(f *fixture) { f.documents[0] = f.documentAt(f.server.Port(), "AKIAIOSFODNN7EXAMPLE", "p") },
			problem: []string{"no access key AKIA…MPLE"}, warning: []string{"535"}},
		{name: "an inactive key", given: func(f *fixture) { f.switchOff(f.first.ID) }, problem: []string{"is inactive"}, warning: []string{"535"}},
		{name: "a wrong password", given: func(f *fixture) { f.documents[0] = f.documentAt(f.server.Port(), f.first.ID, "p") }, warning: []string{"535"}},
		{name: "no server", given: func(f *fixture) { f.documents[0] = f.documentAt(closedPort(f.t), f.first.ID, "p") }, problem: []string{"cannot be reached"}},
		{name: "untagged", setup: untagged, warning: []string{"aws iam tag-user --user-name mautic-smtp --tags Key=mautic-rotation:secret,Value=<the secret's ARN>"}},
		{name: "a second key", given: func(f *fixture) { f.addKey() }, warning: []string{"a second access key", "(active)"}},
		{name: "a second key, untagged", setup: untagged, given: func(f *fixture) { f.switchOff(f.addKey().ID) },
			problem: []string{"a second access key", "(inactive)", "aws iam tag-user"}, warning: []string{"has no such tag"}},
		{name: "the runbook's user", setup: func(s *setup) {
			s.user.Policies = []string{"arn:aws:iam::aws:policy/AmazonSESFullAccess"}
		}, warning: []string{"AmazonSESFullAccess", `"Action":"ses:SendRawEmail"`}},
		{name: "no permission to list keys", given: func(f *fixture) { f.refuse("ListAccessKeys") }, problem: []string{"grant iam:ListAccessKeys"}},
		{name: "no permission to look at the user", given: func(f *fixture) { f.refuse("GetUser") }, problem: []string{"grant iam:GetUser"}},
		{name: "no permission to switch keys off", given: func(f *fixture) { f.refuse("UpdateAccessKey") }, problem: []string{"grant iam:UpdateAccessKey"}},
		{name: "no permission to delete keys", given: func(f *fixture) { f.refuse("DeleteAccessKey") }, problem: []string{"grant iam:DeleteAccessKey"}},
		{name: "no permission to look at policies", given: func(f *fixture) { f.refuse("ListAttachedUserPolicies") }, warning: []string{"grant iam:ListAttachedUserPolicies"}},
		{name: "lists in small pages", setup: func(s *setup) {
			s.aws = localaws.Options{IAMPageSize: 1}
			s.user.Policies = []string{"arn:aws:iam::123456789012:policy/mine", "arn:aws:iam::aws:policy/AmazonSESFullAccess"}
		}, given: func(f *fixture) { f.addKey() }, warning: []string{"AmazonSESFullAccess", "a second access key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(s *setup) {
				s.config.Propagation = 10 * time.Millisecond
				if c.setup != nil {
					c.setup(s)
				}
			})
			if c.given != nil {
				c.given(f)
			}
			problems, warnings := f.found(f.documents[0])
			for got, want := range map[string][]string{problems: c.problem, "\n" + warnings: c.warning} {
				if len(want) == 0 && strings.TrimSpace(got) != "" {
					t.Errorf("found as well: %s", got)
				}
				for _, text := range want {
					if !strings.Contains(got, text) {
						t.Errorf("%q is not in %q", text, got)
					}
				}
			}
		})
	}
}

func TestAUserWithADateInItsNameIsWarnedOf(t *testing.T) {
	for name, want := range map[string]bool{"mautic-smtp-user-20260301": true, "mautic-smtp": false, "mautic-2026": false} {
		f := &fixture{t: t, kind: New(Config{User: name})}
		if err := f.kind.dated(); (err != nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
