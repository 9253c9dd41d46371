package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go/middleware"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
)

// SecretsManager is what the engine uses of Secrets Manager's API.
type SecretsManager interface {
	DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *sm.GetSecretValueInput, ...func(*sm.Options)) (*sm.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *sm.PutSecretValueInput, ...func(*sm.Options)) (*sm.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *sm.UpdateSecretVersionStageInput, ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error)
}

// version is a version of the secret that has a value.
type version struct {
	id      string
	labels  []string
	created time.Time
	doc     document.Document
}

// retry is how long a read is repeated that may only lag behind a write:
// attempts with a pause between them that doubles each time.
type retry struct {
	attempts int
	pause    time.Duration
	clock    Clock
}

// readAttempts is how often such a read is tried.
const readAttempts = 6

// lagging marks an error that may only mean that a read lags behind a write.
type lagging struct{ error }

func (l lagging) Unwrap() error { return l.error }

// do calls read until it succeeds, or fails with an error that is not lagging.
func (r retry) do(ctx context.Context, read func() error) error {
	pause := r.pause
	for attempt := 1; ; attempt++ {
		err := read()
		var lags lagging
		if !errors.As(err, &lags) || attempt >= r.attempts {
			return err
		}
		if ended := r.clock.Wait(ctx, pause); ended != nil {
			return errors.Join(err, ended)
		}
		pause *= 2
	}
}

// isMissing tells that a version, a label or a version's value is not there:
// Secrets Manager's ResourceNotFoundException, or the InvalidRequestException
// that it answers when the label is not on the version.
func isMissing(err error) bool {
	var notFound *types.ResourceNotFoundException
	var invalid *types.InvalidRequestException
	return errors.As(err, &notFound) || errors.As(err, &invalid)
}

// guard reads the secret's metadata and decides whether the step may act.
func (r *run) guard(ctx context.Context) (state stage, m metadata, err error) {
	err = r.retry.do(ctx, func() error {
		if m, err = r.describe(ctx); err != nil {
			return err // the SDK has retried what can be
		}
		state, err = guard(m, r.event.Token)
		if _, known := m.labels[r.event.Token]; err != nil && !known {
			return lagging{err}
		}
		return err
	})
	return state, m, err
}

func (r *run) describe(ctx context.Context) (metadata, error) {
	out, err := r.api.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &r.event.SecretID})
	if err != nil {
		return metadata{}, fmt.Errorf("describe the secret: %w", err)
	}
	r.tellTime(out.ResultMetadata)
	m := metadata{
		now:             r.now,
		next:            aws.ToTime(out.NextRotationDate),
		window:          windowOf(out.RotationRules),
		interval:        intervalOf(out.RotationRules, aws.ToTime(out.LastRotatedDate), aws.ToTime(out.NextRotationDate)),
		owningService:   aws.ToString(out.OwningService),
		rotationEnabled: aws.ToBool(out.RotationEnabled),
		labels:          out.VersionIdsToStages,
	}
	r.known, r.fresh = &m, true
	return m, nil
}

// readBoth reads what setSecret and testSecret compare. When the token has
// been promoted, both are the same version.
func (r *run) readBoth(ctx context.Context) (current, pending version, err error) {
	if current, err = r.readCurrent(ctx, ""); err != nil {
		return version{}, version{}, err
	}
	if current.id == r.event.Token {
		return current, current, nil
	}
	if pending, err = r.readPending(ctx); err != nil {
		return version{}, version{}, err
	}
	return current, pending, nil
}

// readCurrent reads the AWSCURRENT version: by its id too, where that is known.
func (r *run) readCurrent(ctx context.Context, id string) (version, error) {
	v, err := r.readRetrying(ctx, id, labelCurrent)
	if err != nil {
		return version{}, fmt.Errorf("read the AWSCURRENT version: %w", err)
	}
	return v, nil
}

// readPending reads the token's version, and only while it is AWSPENDING. What
// is missing may only lag behind the step before; when it stays so, the guard
// says why. What the guard finds nothing wrong with is a version that has no
// value, which isMissing tells.
func (r *run) readPending(ctx context.Context) (version, error) {
	v, err := r.readRetrying(ctx, r.event.Token, labelPending)
	if isMissing(err) {
		if _, _, refused := r.guard(ctx); refused != nil {
			return version{}, refused
		}
		return version{}, fmt.Errorf("version %s has no value, since createSecret has not succeeded: %w", r.event.Token, err)
	}
	if err != nil {
		return version{}, fmt.Errorf("read the AWSPENDING version: %w", err)
	}
	return v, nil
}

func (r *run) readRetrying(ctx context.Context, id, label string) (v version, err error) {
	err = r.retry.do(ctx, func() error {
		if v, err = r.read(ctx, id, label); isMissing(err) {
			r.fresh = false // the version may be gone since the labels were read, and this takes time
			return lagging{err}
		}
		return err
	})
	return v, err
}

func (r *run) read(ctx context.Context, id, label string) (version, error) {
	in := &sm.GetSecretValueInput{SecretId: &r.event.SecretID}
	if id != "" {
		in.VersionId = &id
	}
	if label != "" {
		in.VersionStage = &label
	}
	out, err := r.api.GetSecretValue(ctx, in)
	if err != nil {
		return version{}, err
	}
	if out.SecretString == nil {
		return version{}, errors.New("the secret holds binary data (SecretBinary): store a JSON object as SecretString")
	}
	doc, err := document.Parse(*out.SecretString)
	if err != nil {
		return version{}, fmt.Errorf("version %s: %w: store a JSON object", aws.ToString(out.VersionId), err)
	}
	r.learn(doc)
	r.tellTime(out.ResultMetadata)
	return version{id: aws.ToString(out.VersionId), labels: out.VersionStages, created: aws.ToTime(out.CreatedDate), doc: doc}, nil
}

// tellTime keeps the time by AWS's clock, as its last reply tells it: the same
// clock that ECS's creation times are by.
func (r *run) tellTime(reply middleware.Metadata) {
	if now, ok := awsmiddleware.GetServerTime(reply); ok {
		r.now, r.heard = now, r.clock.Now()
	}
}

// clockOfAWS is the time by AWS's clock, with what has passed since its last reply. AWS
// leaves the fractions of a second out, so it is never ahead.
func (r *run) clockOfAWS() time.Time { return r.now.Add(r.clock.Now().Sub(r.heard)) }

// wrote takes up a move of a label that this invocation has made, in what it knows of
// the secret. Other invocations may have written meanwhile, so that is not fresh any
// more.
func (r *run) wrote(label, to, from string) {
	r.fresh = false
	if r.known == nil {
		return
	}
	m := *r.known
	m.labels = maps.Clone(m.labels) // an observation may hold the one before
	if from != "" {
		m.labels[from] = without(m.labels[from], label)
	}
	if to != "" {
		m.labels[to] = append(without(m.labels[to], label), label)
	}
	r.known = &m
}

// unknown forgets what was known of the secret's labels: a write may have changed more
// of them than it says.
func (r *run) unknown() { r.known, r.fresh = nil, false }

func without(labels []string, label string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l == label })
}

// learn makes the document's credentials known to the scrubber.
func (r *run) learn(d document.Document) {
	for _, kind := range r.kinds {
		fields, _ := kind.Fields(d) // whoever uses them reports what is wrong
		for _, field := range fields {
			if value, err := d.Text(field); err == nil {
				r.secrets.Add(value)
			}
		}
	}
}

// putPending stores the value of the token's version, in which these kinds are
// new, and in the same call the label that says so. A value that is there already,
// from a delivery of the same event that ran beside this one, stays, and stored is
// false.
func (r *run) putPending(ctx context.Context, d document.Document, made []string, now time.Time) (stored bool, err error) {
	r.learn(d)
	stages := []string{labelPending}
	if len(made) > 0 {
		page := ledger.Page{Version: r.event.Token}
		for _, name := range made {
			page = page.With(name, ledger.Pending, now)
		}
		label, err := page.Label()
		if err != nil {
			return false, err
		}
		stages = append(stages, label)
	}
	value := d.Raw()
	in := &sm.PutSecretValueInput{
		SecretId:           &r.event.SecretID,
		ClientRequestToken: &r.event.Token,
		SecretString:       &value,
		VersionStages:      stages,
	}
	if r.event.RotationToken != "" {
		in.RotationToken = &r.event.RotationToken
	}
	r.unknown()
	_, err = r.api.PutSecretValue(ctx, in)
	var exists *types.ResourceExistsException
	if errors.As(err, &exists) {
		r.log.Info("the pending version has got its value meanwhile, which is kept")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store the pending version: %w", err)
	}
	return true, nil
}

// moveLabel puts a label on the version to, which may be "", and takes it off
// the version from, which may be "" when the label is new.
func (r *run) moveLabel(ctx context.Context, label, to, from string) error {
	in := &sm.UpdateSecretVersionStageInput{SecretId: &r.event.SecretID, VersionStage: &label}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	out, moveErr := r.api.UpdateSecretVersionStage(ctx, in)
	if moveErr == nil {
		r.tellTime(out.ResultMetadata)
		r.wrote(label, to, from)
		return nil
	}
	r.unknown()
	// As below, an error may hide a success.
	if m, err := r.describe(ctx); err == nil && versionWith(m.labels, label) == to {
		return nil
	}
	return fmt.Errorf("move the staging label %s: %w", label, moveErr)
}

// moveCurrent moves AWSCURRENT from the version fromID to toID, and reads back
// that it is there. Moving it away from a version that no longer has it fails,
// so an edit made meanwhile is not undone. moved tells that this call has done
// it for sure, rather than another invocation, or one of which the reply was
// lost.
func (r *run) moveCurrent(ctx context.Context, fromID, toID string) (moved bool, err error) {
	r.unknown()
	label := labelCurrent
	_, moveErr := r.api.UpdateSecretVersionStage(ctx, &sm.UpdateSecretVersionStageInput{
		SecretId:            &r.event.SecretID,
		VersionStage:        &label,
		MoveToVersionId:     &toID,
		RemoveFromVersionId: &fromID,
	})
	// An error may hide a success: when a reply is lost, the SDK asks again,
	// and is told that the label is not on fromID any more.
	readErr := r.retry.do(ctx, func() error {
		m, err := r.describe(ctx)
		if err != nil {
			return err
		}
		at := versionWith(m.labels, labelCurrent)
		if at == toID {
			return nil
		}
		err = fmt.Errorf("AWSCURRENT is on version %s", at)
		if moveErr == nil {
			return lagging{err}
		}
		return err
	})
	switch {
	case readErr == nil:
		return moveErr == nil, nil
	case moveErr != nil:
		return false, fmt.Errorf("move AWSCURRENT to version %s: %w", toID, errors.Join(moveErr, readErr))
	default:
		return false, fmt.Errorf("read back that AWSCURRENT has moved to version %s: %w", toID, readErr)
	}
}

// confirm is credential.Change.Confirm.
func (r *run) confirm(ctx context.Context, currentID string) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	state, err := guard(m, r.event.Token)
	if err != nil {
		return err
	}
	if state.currentID != currentID {
		return fmt.Errorf("AWSCURRENT has moved to version %s meanwhile: rotate again", state.currentID)
	}
	return nil
}

// present is the function of the plan, for this function's kinds.
func (r *Rotator) present(d document.Document) ([]credential.Kind, error) { return present(r.kinds, d) }
