package rotation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
)

// What follows decides from what was read, and changes nothing.

// present returns the kinds that a document has a credential of.
func present(kinds []credential.Kind, d document.Document) ([]credential.Kind, error) {
	var found []credential.Kind
	for _, kind := range kinds {
		fields, err := kind.Fields(d)
		if err != nil {
			return nil, fmt.Errorf("the %s credential in the secret: %w", kind.Name(), err)
		}
		if len(fields) > 0 {
			found = append(found, kind)
		}
	}
	if len(found) == 0 {
		var looked []string
		for _, kind := range kinds {
			looked = append(looked, kind.Name()+" at "+kind.Where())
		}
		return nil, fmt.Errorf("the secret has no credential that this function rotates. It was looked for in these fields: %s", strings.Join(looked, "; "))
	}
	return found, nil
}

// editedMeanwhile fails when the pending document is not what the current one
// becomes with the new values of the kinds that changed: somebody edited the
// secret after the pending version was made, and promoting it would undo that.
func editedMeanwhile(made []credential.Kind, current, pending document.Document) error {
	expected, err := current, error(nil)
	for _, kind := range made {
		if expected, err = putFields(expected, pending, kind); err != nil {
			return err
		}
	}
	for _, kind := range made {
		at := document.Pointer(rotatedAt + kind.Name())
		text, err := pending.Text(at)
		if errors.Is(err, document.ErrMissing) {
			continue
		}
		if err == nil {
			expected, err = expected.Put(at, text)
		}
		if err != nil {
			return err
		}
	}
	if expected.Raw() == pending.Raw() {
		return nil
	}
	if expected, err = follow(expected, current, pending, made); err != nil {
		return err
	}
	if expected.Raw() != pending.Raw() {
		return errEdited
	}
	return nil
}

// putFields returns a document with a kind's fields as they are in another.
func putFields(into, from document.Document, kind credential.Kind) (document.Document, error) {
	fields, err := kind.Fields(from)
	if err != nil {
		return document.Document{}, err
	}
	for _, field := range fields {
		text, err := from.Text(field)
		if err != nil {
			return document.Document{}, err
		}
		if into, err = into.Put(field, text); err != nil {
			return document.Document{}, err
		}
	}
	return into, nil
}

// errEdited says that the pending version does not come of the current one.
var errEdited = errors.New("the secret was edited after this rotation began, and promoting its version would undo the edit, so it is given up, and what it has set is taken away: rotate again")

func names(kinds []credential.Kind) []string {
	list := make([]string, len(kinds))
	for i, kind := range kinds {
		list[i] = kind.Name()
	}
	return list
}

// A stage is where a rotation's version stands.
type stage struct {
	currentID string
	promoted  bool // the token's version is AWSCURRENT
}

// The staging labels that Secrets Manager itself gives out.
const (
	labelCurrent  = "AWSCURRENT"
	labelPending  = "AWSPENDING"
	labelPrevious = "AWSPREVIOUS"
)

// metadata is what the guard looks at, of what DescribeSecret answers.
type metadata struct {
	now             time.Time // by AWS's clock
	next            time.Time // when the next scheduled rotation's window ends; zero: never
	window          time.Duration
	interval        time.Duration // between two scheduled rotations; 0: not known
	owningService   string
	rotationEnabled bool
	labels          map[string][]string // by version id
}

// guard decides whether a step may act for the token's version.
func guard(m metadata, token string) (stage, error) {
	labels, known := m.labels[token]
	switch {
	case m.owningService != "":
		return stage{}, fmt.Errorf("the secret is owned by the service %s, which rotates it itself: turn rotation by this function off, and use that service's own (for an RDS master user: aws rds modify-db-instance --rotate-master-user-password)",
			m.owningService)
	case !m.rotationEnabled && slices.Contains(labels, labelPending) && !slices.Contains(labels, labelCurrent):
		return stage{}, fmt.Errorf("rotation was turned off (cancel-rotate-secret) while version %s was AWSPENDING, which blocks every rotation: %s. Then turn rotation on again with `aws secretsmanager rotate-secret`; it takes the schedule as --rotation-rules", token, howToStartAnew)
	case !m.rotationEnabled:
		return stage{}, errors.New("rotation is not enabled for the secret: start it with `aws secretsmanager rotate-secret --rotation-lambda-arn …`")
	case !known:
		return stage{}, fmt.Errorf("the secret has no version %s with a staging label: its rotation was given up, or never begun; start one with `aws secretsmanager rotate-secret`", token)
	}
	// What cannot be read of other versions is told by whoever needs it.
	if book, _ := ledger.Read(map[string][]string{token: labels}); wasRolledBack(book.Page(token)) {
		return stage{}, fmt.Errorf("version %s has been rolled back, and is not taken up again: start a new rotation", token)
	}
	current := versionWith(m.labels, labelCurrent)
	switch {
	case current == "":
		return stage{}, errors.New("the secret has no AWSCURRENT version: store a value in it first")
	case current == token:
		return stage{currentID: current, promoted: true}, nil
	case !slices.Contains(labels, labelPending):
		return stage{}, fmt.Errorf("version %s is not AWSPENDING, so its rotation has been given up: start a new one with `aws secretsmanager rotate-secret`", token)
	}
	return stage{currentID: current}, nil
}

func wasRolledBack(page ledger.Page) bool {
	for _, e := range page.Entries {
		if e.State == ledger.RolledBack || e.State == ledger.Failed {
			return true
		}
	}
	return false
}

// endOf is what a label of the ledger's first edition quoted of a version's id.
func endOf(id string) string {
	const end = 36 // a UUID
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(";=,", r) {
			return '_'
		}
		return r
	}, id[max(0, len(id)-end):])
}

// scheduled tells whether a rotation that begins now was started by the
// schedule: it is time for one, or past it. NextRotationDate is the end of the
// window in which Secrets Manager starts a rotation, at any moment.
func (m metadata) scheduled() bool {
	return !m.next.IsZero() && !m.now.Before(m.next.Add(-m.window-scheduleSlack))
}

// scheduleSlack is for clocks that differ.
const scheduleSlack = 5 * time.Minute

// intervalOf is the time between two scheduled rotations, as far as the rules
// say it plainly, and else by the last rotation and the next one.
func intervalOf(rules *types.RotationRulesType, last, next time.Time) time.Duration {
	if rules == nil {
		return 0
	}
	var n int64
	var unit string
	if _, err := fmt.Sscanf(aws.ToString(rules.ScheduleExpression), "rate(%d %s", &n, &unit); err == nil {
		if strings.HasPrefix(unit, "hour") {
			return intervalIn(n, time.Hour)
		}
		return intervalIn(n, day)
	}
	if days := aws.ToInt64(rules.AutomaticallyAfterDays); days > 0 {
		return intervalIn(days, day)
	}
	if last.IsZero() || next.IsZero() {
		return 0
	}
	return intervalIn(int64(next.Sub(last)), time.Nanosecond)
}

const (
	day = 24 * time.Hour
	// maxInterval is the most that Secrets Manager takes.
	maxInterval = 1000 * day
)

// intervalIn is n units, or 0 where that is no time between two rotations.
func intervalIn(n int64, unit time.Duration) time.Duration {
	if n < 0 || n > int64(maxInterval/unit) {
		return 0
	}
	return time.Duration(n) * unit
}

// windowOf is the length of a schedule's window, which is within a day. Without one, Secrets Manager
// closes it after an hour for a schedule in hours, and at the end of the day
// for one in days.
func windowOf(rules *types.RotationRulesType) time.Duration {
	if rules == nil {
		return 0
	}
	if length, err := time.ParseDuration(aws.ToString(rules.Duration)); err == nil && length > 0 && length <= day {
		return length
	}
	if strings.Contains(aws.ToString(rules.ScheduleExpression), "hour") {
		return time.Hour
	}
	return day
}

func versionWith(labels map[string][]string, label string) string {
	for id, stages := range labels {
		if slices.Contains(stages, label) {
			return id
		}
	}
	return ""
}
