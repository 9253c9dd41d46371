package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/logline"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

// The function's actions.
const (
	actionStatus    = "status"
	actionPreflight = "preflight"
	actionVerify    = "verify"
	actionReconcile = "reconcile"
	actionRelease   = "release"
	actionAbandon   = "abandon"
	actionRollBack  = "roll-back"
)

// target is a stack that was found, and how to reach it.
type target struct {
	AWS
	stack cloud.Stack
	run   *run
}

// find connects to AWS and finds the stack that the flags name.
func (r *run) find() (*target, error) {
	if r.flags.Output == "csv" {
		return nil, fault.New(fault.Usage, "only history can print csv", "choose text or json")
	}
	return r.findAny()
}

// connect connects to AWS. From then on, r.Now follows AWS's clock.
func (r *run) connect() (AWS, error) {
	aws, err := r.Connect(r, r.flags.Profile, r.flags.Region)
	if here := r.Now; err == nil && aws.Ahead != nil {
		r.Now = func() time.Time { return here().Add(aws.Ahead()) }
	}
	return aws, err
}

func (r *run) findAny() (*target, error) {
	aws, err := r.connect()
	if err != nil {
		return nil, err
	}
	stack, err := aws.Stacks.Find(r, r.flags.Stack)
	if err != nil {
		return nil, err
	}
	return &target{aws, stack, r}, nil
}

// ask has the function carry out an action.
func (t *target) ask(a cloud.Action) (report.Report, error) {
	return t.Function.Ask(t.run, t.stack.Function, a)
}

// shown is the stack's name, with the flags to repeat in commands.
func (t *target) shown() view.Stack {
	s := view.Stack{Name: t.stack.Name, Region: t.Region}
	if t.run.flags.Stack != "" && t.run.Getenv("MAUTIC_ROTATION_STACK") != t.run.flags.Stack {
		s.Flags = append(s.Flags, "--stack", t.run.flags.Stack)
	}
	if t.run.flags.Profile != "" {
		s.Flags = append(s.Flags, "--profile", t.run.flags.Profile)
	}
	if t.run.flags.Region != "" {
		s.Flags = append(s.Flags, "--region", t.run.flags.Region)
	}
	return s
}

// status asks for the state of the secrets, or only of that in --secret.
func (t *target) status() (report.Report, error) {
	answer, err := t.ask(cloud.Action{Name: actionStatus})
	if err != nil {
		return report.Report{}, err
	}
	answer.Secrets, err = chosen(answer.Secrets, t.run.flags.Secret)
	t.addEvidence(answer.Secrets)
	return answer, err
}

// addEvidence adds to each held value what uses it, which only the log has. Without the log the reason
// stays as it is.
func (t *target) addEvidence(secrets []report.Secret) {
	for _, s := range secrets {
		for _, c := range s.Credentials {
			for i, old := range c.Old {
				if old.State != "held" || old.Since == nil {
					continue
				}
				if evidence := t.evidence(s.ARN, c.Kind, *old.Since); evidence != "" {
					c.Old[i].Why = view.HeldSince + evidence
				}
			}
		}
	}
}

// holdDelay is how much earlier than its label the log line of a hold may be.
const holdDelay = time.Minute

// evidence is that of the newest log line about a hold.
func (t *target) evidence(arn, kind string, since time.Time) (evidence string) {
	lines, err := t.Log.Lines(t.run, t.stack.LogGroup, cloud.Holds, since.Add(-holdDelay))
	if err != nil {
		return ""
	}
	for _, line := range lines {
		if e, ok := logline.Parse(line.Text); ok && e.Secret == arn && e.Kind == kind && e.Audit == "held" && e.Fields["evidence"] != "" {
			evidence = e.Fields["evidence"]
		}
	}
	return evidence
}

// chosen selects the secret by its name or ARN, or by the id of one of its versions, or the beginning of the
// id's UUID; for "", all.
func chosen(all []report.Secret, name string) ([]report.Secret, error) {
	if name == "" {
		return all, nil
	}
	for _, s := range all {
		if s.Name == name || s.ARN == name {
			return []report.Secret{s}, nil
		}
	}
	var having []report.Secret
	for _, s := range all {
		if len(view.Versions(s, name)) > 0 {
			having = append(having, s)
		}
	}
	switch len(having) {
	case 0:
	case 1:
		return having, nil
	default:
		return nil, fault.New(fault.Usage, fmt.Sprintf("%s matches versions of several secrets", name), "give more characters, or the name of the secret: "+strings.Join(secretNames(having), ", "))
	}
	return nil, fault.New(fault.Usage, fmt.Sprintf("the stack has no secret %s", name), "it has "+strings.Join(secretNames(all), ", "))
}

func secretNames(all []report.Secret) (names []string) {
	for _, s := range all {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// one is the status of the one secret that a command acts on.
func (t *target) one() (report.Secret, report.Report, error) {
	answer, err := t.status()
	switch {
	case err != nil:
		return report.Secret{}, report.Report{}, err
	case len(answer.Secrets) == 0:
		return report.Secret{}, report.Report{}, fault.New(fault.Unknown, "the function has no secret to rotate", "set the stack's parameter SecretArn")
	case len(answer.Secrets) > 1:
		return report.Secret{}, report.Report{}, fault.New(fault.Usage, "the stack has several secrets", "choose one with --secret: "+strings.Join(secretNames(answer.Secrets), ", "))
	}
	return answer.Secrets[0], answer, nil
}

// arn is the ARN of --secret, which may be a name; "" if it is not given.
func (t *target) arn() (string, error) {
	name := t.run.flags.Secret
	if name == "" || strings.HasPrefix(name, "arn:") {
		return name, nil
	}
	answer, err := t.status()
	if err != nil {
		return "", err
	}
	return answer.Secrets[0].ARN, nil
}

// again is a command to type next, with the flags of this one.
func (t *target) again(verb string, more ...string) string {
	return strings.Join(slices.Concat([]string{view.Program, verb}, t.shown().Flags, more), " ")
}
