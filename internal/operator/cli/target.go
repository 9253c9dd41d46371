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
		return nil, fault.New(fault.Usage, "only history has the output csv", "choose text or json")
	}
	return r.findAny()
}

// connect reaches AWS, by whose clock it is from then on.
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

// shown is the stack as a report names it, with the flags to repeat in a command.
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

// status asks how the secrets stand: that of --secret alone where it is given.
func (t *target) status() (report.Report, error) {
	answer, err := t.ask(cloud.Action{Name: actionStatus})
	if err != nil {
		return report.Report{}, err
	}
	answer.Secrets, err = chosen(answer.Secrets, t.run.flags.Secret)
	t.addEvidence(answer.Secrets)
	return answer, err
}

// addEvidence adds to each value that is held what uses it, which the log alone has. Without the log the
// reason stays as it is.
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

// holdDelay is by how much the log's line of a hold may be earlier than the label that tells of it.
const holdDelay = time.Minute

// evidence is what the newest line of the log says of a hold.
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

// chosen are the secrets that a name or an ARN names, or the id of a version that one has, or the beginning
// of its UUID; all for "".
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
		return nil, fault.New(fault.Usage, fmt.Sprintf("%s is the beginning of versions of several secrets", name), "give more of it, or one of "+strings.Join(secretNames(having), ", "))
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

// one is the status of the one secret that a command is for.
func (t *target) one() (report.Secret, report.Report, error) {
	answer, err := t.status()
	switch {
	case err != nil:
		return report.Secret{}, report.Report{}, err
	case len(answer.Secrets) == 0:
		return report.Secret{}, report.Report{}, fault.New(fault.Unknown, "the function serves no secret", "set the stack's parameter SecretArn")
	case len(answer.Secrets) > 1:
		return report.Secret{}, report.Report{}, fault.New(fault.Usage, "the stack has several secrets", "name one by --secret: "+strings.Join(secretNames(answer.Secrets), ", "))
	}
	return answer.Secrets[0], answer, nil
}

// arn is that of --secret, which may be a name; "" where it is not given.
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

// again is what to type to see how it goes on.
func (t *target) again(verb string, more ...string) string {
	return strings.Join(slices.Concat([]string{view.Program, verb}, t.shown().Flags, more), " ")
}
