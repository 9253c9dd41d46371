package localaws

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// secretsManager is the Secrets Manager service. Its lock is held for the time of a read or a write of the records, and
// never while a function is invoked or anything is waited for.
type secretsManager struct {
	srv *Server

	mu      sync.Mutex
	records []*secretRecord
	runs    map[runKey]*rotationRun
}

// secretRecord is what there is of one secret.
type secretRecord struct {
	state    *secret
	accessed time.Time

	// For stale reads: the state before the latest write (nil if the secret is new), and how long it shows.
	before     *secret
	staleReads int
	staleUntil time.Time // real time

	// run is the rotation under way; stopAlarm takes back the next scheduled one.
	run       *rotationRun
	stopAlarm func()
}

func newSecretsManager(s *Server) *secretsManager {
	return &secretsManager{srv: s, runs: map[runKey]*rotationRun{}}
}

func (m *secretsManager) service() *jsonService {
	return &jsonService{
		name:          "secretsmanager",
		messageMember: "Message",
		operations: map[string]operation{
			"CancelRotateSecret":       handle(m.cancelRotateSecret),
			"CreateSecret":             handle(m.createSecret),
			"DeleteSecret":             handle(m.deleteSecret),
			"DescribeSecret":           handle(m.describeSecret),
			"GetRandomPassword":        handle(m.getRandomPassword),
			"GetSecretValue":           handle(m.getSecretValue),
			"ListSecrets":              handle(m.listSecrets),
			"ListSecretVersionIds":     handle(m.listSecretVersionIDs),
			"PutSecretValue":           handle(m.putSecretValue),
			"RestoreSecret":            handle(m.restoreSecret),
			"RotateSecret":             handle(m.rotateSecret),
			"TagResource":              handle(m.tagResource),
			"UntagResource":            handle(m.untagResource),
			"UpdateSecret":             handle(m.updateSecret),
			"UpdateSecretVersionStage": handle(m.updateSecretVersionStage),
		},
	}
}

var (
	errNoSecret = notFound("Secrets Manager can't find the specified secret.")
	errDeleted  = invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
)

// secretRef are the members of replies that name a secret.
type secretRef struct {
	ARN  string
	Name string
}

func (s *secret) ref() secretRef { return secretRef{ARN: s.arn, Name: s.name} }

// find returns the record of a secret by name, ARN, or partial ARN (without the hyphen and six characters at its end).
// The caller holds the lock.
func (m *secretsManager) find(id string) (*secretRecord, error) {
	if id == "" {
		return nil, required("secretId")
	}
	i := slices.IndexFunc(m.records, func(r *secretRecord) bool {
		s := r.state
		return id == s.name || id == s.arn || id == strings.TrimSuffix(s.arn, s.arn[len(s.arn)-7:])
	})
	if i < 0 {
		return nil, errNoSecret
	}
	return m.records[i], nil
}

// read returns a secret as a reader sees it, which with stale reads may be the state before the latest write.
func (m *secretsManager) read(id string) (*secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(id)
	if err != nil {
		return nil, err
	}
	state := r.state
	switch {
	case r.staleReads > 0:
		r.staleReads--
		state = r.before
	case time.Now().Before(r.staleUntil):
		state = r.before
	}
	if state == nil {
		return nil, errNoSecret
	}
	return state, nil
}

// peek returns a secret as it is, for the services that look at it on their own.
func (m *secretsManager) peek(id string) (*secret, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(id)
	if err != nil {
		return nil, false
	}
	return r.state, true
}

// update changes a secret by f, wholly or, on an error, not at all.
func (m *secretsManager) update(id string, f func(*secret) error) (*secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(id)
	if err != nil {
		return nil, err
	}
	return m.change(r, f)
}

// change is update for a caller that holds the lock.
func (m *secretsManager) change(r *secretRecord, f func(*secret) error) (*secret, error) {
	next := r.state.clone()
	if err := f(next); err != nil {
		return nil, err
	}
	return next, m.store(r, next)
}

// amend is change for what takes away, or leaves versions and labels alone, and so cannot break a limit.
func (m *secretsManager) amend(r *secretRecord, f func(*secret)) {
	next := r.state.clone()
	f(next)
	if err := m.store(r, next); err != nil {
		panic(err)
	}
}

// store makes next the state of a secret. The caller holds the lock.
func (m *secretsManager) store(r *secretRecord, next *secret) error {
	now, variants := m.srv.clock.Now(), m.srv.variants.Load()
	if err := next.settle(now, variants.DeleteUnlabelled); err != nil {
		return err
	}
	before := r.state
	r.state = next
	if stale := variants.StaleReads; stale.on() {
		r.before = before
		r.staleReads = stale.Reads
		r.staleUntil = time.Now().Add(stale.For)
	}
	if before == nil {
		before = &secret{}
	}
	if labels := movedLabels(before, next); len(labels) > 0 {
		m.srv.events.emit(LabelUpdated{At: now, Secret: next.arn, Labels: labels})
	}
	return nil
}

type createSecretInput struct {
	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyID           string `json:"KmsKeyId"`
	SecretString       *string
	SecretBinary       []byte
	Tags               []tag
}

type tag struct{ Key, Value string }

// versionRef is a secretRef with the version that the call was about.
type versionRef struct {
	secretRef
	VersionID string `json:"VersionId,omitempty"`
}

func (m *secretsManager) createSecret(_ context.Context, in createSecretInput) (versionRef, error) {
	if err := checkLength("name", in.Name, 1, 512); err != nil {
		return versionRef{}, err
	}
	if i := strings.IndexFunc(in.Name, notInName); i >= 0 {
		return versionRef{}, &Error{
			Code:    "ValidationException",
			Message: "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
		}
	}
	var val value
	if in.SecretString != nil || in.SecretBinary != nil {
		var err error
		if val, err = newValue(in.SecretString, in.SecretBinary); err != nil {
			return versionRef{}, err
		}
	}
	token, err := versionToken(in.ClientRequestToken)
	if err != nil {
		return versionRef{}, err
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if r, err := m.find(in.Name); err == nil {
		return m.createAgain(r.state, token, val)
	}
	now := m.srv.clock.Now()
	s := &secret{
		arn:         m.srv.arn("secretsmanager", "secret:"+in.Name+"-"+cmp.Or(m.srv.opts.SecretSuffix, randomText(6, letters))),
		name:        in.Name,
		description: in.Description,
		kmsKeyID:    in.KmsKeyID,
		created:     now,
		changed:     now,
		tags:        map[string]string{},
	}
	for _, t := range in.Tags {
		s.tags[t.Key] = t.Value
	}
	ref := versionRef{secretRef: s.ref()}
	if val.isSet() {
		s.move(current, s.add(token, now, val))
		ref.VersionID = token
	}
	r := &secretRecord{}
	if err := m.store(r, s); err != nil {
		return versionRef{}, err
	}
	m.records = append(m.records, r)
	return ref, nil
}

// createAgain answers CreateSecret for a name that is taken: by a retry of the same call, or by something else.
func (m *secretsManager) createAgain(s *secret, token string, val value) (versionRef, error) {
	if !s.deletion.IsZero() {
		return versionRef{}, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := s.version(token); v != nil && v.value.equal(val) {
		return versionRef{s.ref(), token}, nil
	}
	return versionRef{}, &Error{
		Code:    "ResourceExistsException",
		Message: "The operation failed because the secret " + s.name + " already exists.",
	}
}

func notInName(r rune) bool {
	return !strings.ContainsRune("-/_+=.@!", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// newValue checks the two members that give a value: one of them is needed, and not both.
func newValue(text *string, binary []byte) (value, error) {
	size := len(binary)
	if text != nil {
		size = len(*text)
	}
	switch {
	case text != nil && binary != nil:
		return value{}, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text == nil && binary == nil:
		return value{}, invalidParameter("You must provide either SecretString or SecretBinary.")
	case size == 0:
		return value{}, validation("", valueMember(text), "have length greater than or equal to 1")
	case size > maxValue:
		return value{}, validation("", valueMember(text), "have length less than or equal to 65536")
	}
	return value{text, binary}, nil
}

func valueMember(text *string) string {
	if text != nil {
		return "secretString"
	}
	return "secretBinary"
}

// versionToken checks a ClientRequestToken, which becomes a version's id. SDKs send one; who does not gets one here.
func versionToken(token string) (string, error) {
	if token == "" {
		return newUUID(), nil
	}
	return token, checkLength("clientRequestToken", token, 32, 64)
}
