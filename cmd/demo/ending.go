package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// ending is the state after a rotation has ended.
type ending struct {
	oldID, newID          string // of the versions rotated from and to
	currentID, previousID string // of those labelled so at the end
	old, new, current     document.Document

	// What the targets accept, by kind: right after the promotion, if the scenario
	// looked then, and at the end.
	promoted, accepts map[string]acceptance

	oldTokens int // access tokens of the old API client
	// forced counts the deployments that the function forced, of all services.
	forced, services int
	// delivered: a message was sent with the new access key while the old one was active.
	delivered bool
	keys      []string // ids of the IAM user's access keys
	tasksWith map[string]int
	log       string

	next    *ending // of a second rotation, if there was one
	nextErr error
}

// acceptance tells which of two values a target accepts. If they are equal, it is
// both or neither.
type acceptance struct{ old, new bool }

// tryAll uses the credentials of both documents, as their users do.
func (d *demo) tryAll(ctx context.Context, was, is document.Document) (map[string]acceptance, error) {
	accepts := map[string]acceptance{}
	for _, k := range kinds {
		old, err := k.accepts(ctx, d, was)
		if err != nil {
			return nil, fmt.Errorf("try the old %s credential: %w", k.name, err)
		}
		fresh, err := k.accepts(ctx, d, is)
		if err != nil {
			return nil, fmt.Errorf("try the new %s credential: %w", k.name, err)
		}
		accepts[k.name] = acceptance{old, fresh}
	}
	return accepts, nil
}

// begin is what is known right after a promotion of the ending of the rotation to
// the version newID.
func (d *demo) begin(before localsecretsmanager.SecretState, newID string) (ending, error) {
	was := before.Labelled("AWSCURRENT")
	old, err := document.Parse(was.Value)
	if err != nil {
		return ending{}, err
	}
	fresh, err := d.document(func(v localsecretsmanager.VersionState) bool { return v.ID == newID })
	return ending{oldID: was.ID, newID: newID, old: old, new: fresh, delivered: d.sentBeforeSwitchedOff(keyIn(old), keyIn(fresh))}, err
}

// look fills in the state at the end.
func (d *demo) look(ctx context.Context, e *ending) error {
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		return err
	}
	current := state.Labelled("AWSCURRENT")
	e.currentID, e.previousID, e.log = current.ID, state.Labelled("AWSPREVIOUS").ID, d.log.String()
	if e.current, err = document.Parse(current.Value); err != nil {
		return err
	}
	for _, key := range d.AWS.IAM.AccessKeys(rig.SMTPUser) {
		e.keys = append(e.keys, key.ID)
	}
	if e.oldTokens, err = d.tokensOf(ctx, pairIn(e.old)); err != nil {
		return err
	}
	if e.accepts, err = d.tryAll(ctx, e.old, e.new); err != nil {
		return err
	}
	e.services = len(d.app.Services)
	for _, call := range d.AWS.Calls() {
		if call.Operation == "UpdateService" && call.Caller.Function != "" && call.ErrorCode == "" {
			e.forced++
		}
	}
	e.tasksWith = map[string]int{}
	for _, t := range d.app.Records() {
		if t.Stopped.IsZero() {
			e.tasksWith[t.Password]++
		}
	}
	return nil
}

// document is the value of a version of the secret.
func (d *demo) document(is func(localsecretsmanager.VersionState) bool) (document.Document, error) {
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		return document.Document{}, err
	}
	at := slices.IndexFunc(state.Versions, is)
	if at < 0 {
		return document.Document{}, errors.New("no such version")
	}
	return document.Parse(state.Versions[at].Value)
}

// rotatedAt matches the block that says when each kind was rotated.
var rotatedAt = regexp.MustCompile(`,\s*"rotated_at":\s*\{[^}]*\}`)

// sameRest compares two documents: with the old values put back, and without what a
// rotation adds, they must be identical byte for byte.
func sameRest(was, is document.Document) bool {
	rest := rotatedAt.ReplaceAllString(is.Raw(), "")
	for _, k := range kinds {
		for _, p := range slices.Concat(k.public, k.secrets) {
			switch old, fresh := text(was, p), text(is, p); {
			case fresh == "":
			case old == "":
				field := string(p[strings.LastIndexByte(string(p), '/')+1:])
				rest = regexp.MustCompile(`,\s*"`+field+`":\s*"`+regexp.QuoteMeta(fresh)+`"`).ReplaceAllString(rest, "")
			default:
				rest = strings.Replace(rest, `"`+fresh+`"`, `"`+old+`"`, 1)
			}
		}
	}
	return rest == rotatedAt.ReplaceAllString(was.Raw(), "")
}

// leaked names a credential that appears in the log; "": none does.
func (d *demo) leaked(log string) string {
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		return err.Error()
	}
	credentials := []document.Pointer{"/secret_key"} // that is not rotated
	for _, k := range kinds {
		credentials = append(credentials, k.secrets...)
	}
	for _, v := range state.Versions {
		doc, err := document.Parse(v.Value)
		if err != nil {
			return err.Error()
		}
		for _, p := range credentials {
			if value := text(doc, p); value != "" && strings.Contains(log, value) {
				return fmt.Sprintf("field %s of version %s", p, v.ID)
			}
		}
	}
	for _, key := range append(d.AWS.IAM.AccessKeys(rig.SMTPUser), d.SMTPKey) {
		if strings.Contains(log, key.Secret) {
			return "the secret of access key " + keyName(key.ID)
		}
	}
	if d.AdminPassword != "" && strings.Contains(log, d.AdminPassword) {
		return rig.AdminSecretName
	}
	return ""
}
