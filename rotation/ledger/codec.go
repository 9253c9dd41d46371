package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A label reads, for example,
//
//	rotation;2;1f0c5a9e;api=old.3@20261122T210405Z;database=quarantined.5@20261122T221500Z
//	rotation;2;9b41d07c;api=proven.2;database=proven.2;rollout=20261122T210405Z,promoted
//
// After the prefix come the edition, the first 8 hex digits of SHA-256 of the
// version's id, and the parts. The first edition takes "2" for a state that it
// does not know, and stops.
const (
	// Prefix begins every label of the ledger, of either edition.
	Prefix = "rotation;"

	edition = "2"

	// MaxLabel is the longest label, in characters, that Secrets Manager accepts.
	MaxLabel = 256
	// MaxLabels is the most labels that a secret can have, over all its versions.
	MaxLabels = 20
	// SpareSlots are left free of MaxLabels: one for the label that replaces
	// another, which is written first, and one for an operator.
	SpareSlots = 2

	maxCount = 9999
)

// timeLayout is ISO 8601's basic form.
const timeLayout = "20060102T150405Z"

// The words that describe a rollout.
const (
	wordConverged  = "converged="
	wordUnhealthy  = "unhealthy="
	wordPromoted   = "promoted"
	wordRolledBack = "rolledback"
	wordEmergency  = "emergency"
	rolloutKey     = "rollout"
)

// ErrFull says that a label would be longer than Secrets Manager accepts.
var ErrFull = errors.New("the label would have more than 256 characters")

// hash identifies the version in its label. A label is unique within a secret, so without the
// hash the same words on a second version would take the label from the first.
func hash(version string) string {
	sum := sha256.Sum256([]byte(version))
	return hex.EncodeToString(sum[:4])
}

// Label writes the page as a label. It fails with ErrFull if the page does not fit.
func (p Page) Label() (string, error) {
	parts := []string{edition, hash(p.Version)}
	for _, kind := range p.Kinds() {
		part, err := p.Entries[kind].part(kind)
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	if p.Rollout != (Rollout{}) {
		parts = append(parts, rolloutKey+"="+p.Rollout.words())
	}
	label := Prefix + strings.Join(parts, ";")
	if len(label) > MaxLabel {
		return "", fmt.Errorf("%w: %d, for kinds %s", ErrFull, len(label), strings.Join(p.Kinds(), ", "))
	}
	return label, nil
}

func (e Entry) part(kind string) (string, error) {
	if !isKind(kind) || !slices.Contains(states, e.State) || e.Count < 1 || e.Count > maxCount {
		return "", fmt.Errorf("not a ledger entry: kind %q, state %q, count %d", kind, e.State, e.Count)
	}
	text := fmt.Sprintf("%s=%s.%d", kind, e.State, e.Count)
	if !e.At.IsZero() {
		text += "@" + e.At.UTC().Format(timeLayout)
	}
	if b := e.Before; b != nil {
		if b.Refused < 0 || !isServer(b.Server) {
			return "", fmt.Errorf("not a baseline: %d refused logins at server %q", b.Refused, b.Server)
		}
		text += fmt.Sprintf("~%s.%s.%s", base36(b.Refused), b.Server, base36(b.Up.Unix()))
	}
	return text, nil
}

func (r Rollout) words() string {
	words := []string{r.Since.UTC().Format(timeLayout)}
	for _, w := range []struct {
		word string
		on   bool
	}{{wordPromoted, r.Promoted}, {wordRolledBack, r.RolledBack}, {wordEmergency, r.Emergency}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	for _, w := range []struct {
		word string
		at   time.Time
	}{{wordConverged, r.Converged}, {wordUnhealthy, r.Unhealthy}} {
		if !w.at.IsZero() {
			words = append(words, w.word+w.at.UTC().Format(timeLayout))
		}
	}
	return strings.Join(words, ",")
}

// consists reports whether text has at most so many characters, all of them from a set. It is
// used instead of regular expressions because every label is parsed again each time the secret is
// read.
func consists(text, of string, most int) bool {
	if text == "" || len(text) > most {
		return false
	}
	for i := range len(text) {
		if strings.IndexByte(of, text[i]) < 0 {
			return false
		}
	}
	return true
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

func isKind(name string) bool   { return consists(name, letters, 8) }
func isServer(name string) bool { return consists(name, digits+letters, 6) }
func isBase36(text string) bool { return consists(text, digits+letters, MaxLabel) }

func base36(n int64) string { return strconv.FormatInt(n, 36) }

// parse reads one label of a version. ours is false for anyone else's label. A label with our
// prefix that cannot be parsed is an error with a remedy.
func parse(version, label string) (p Page, ours bool, err error) {
	rest, ours := strings.CutPrefix(label, Prefix)
	if !ours {
		return Page{}, false, nil
	}
	parts := strings.Split(rest, ";")
	if parts[0] == edition {
		p, err = parseParts(version, parts[1:])
	} else {
		p, err = parseFirst(parts)
	}
	if err != nil {
		return Page{}, true, fmt.Errorf("version %s has the staging label %q, which this function cannot understand (%w): if no newer release of the function wrote it, remove it with `aws secretsmanager update-secret-version-stage --version-stage '%s' --remove-from-version-id %s --secret-id …`",
			version, label, err, label, version)
	}
	p.Version, p.Labels = version, []string{label}
	return p, true, nil
}

func parseParts(version string, parts []string) (p Page, err error) {
	if len(parts) == 0 || parts[0] != hash(version) {
		return Page{}, errors.New("it belongs to another version")
	}
	return parseKinds(parts[1:])
}

// parseKinds reads the parts of a label that describe kinds and the rollout.
func parseKinds(parts []string) (p Page, err error) {
	p.Entries = map[string]Entry{}
	for _, part := range parts {
		key, value, _ := strings.Cut(part, "=")
		switch _, twice := p.Entries[key]; {
		case twice:
			return Page{}, fmt.Errorf("it names %s twice", key)
		case key == rolloutKey:
			p.Rollout, err = parseRollout(value)
		case isKind(key):
			p.Entries[key], err = parseEntry(value)
		default:
			err = fmt.Errorf("%q is not a kind", key)
		}
		if err != nil {
			return Page{}, err
		}
	}
	return p, nil
}

func parseEntry(text string) (e Entry, err error) {
	head, baseline, hasBaseline := strings.Cut(text, "~")
	head, at, hasTime := strings.Cut(head, "@")
	state, count, _ := strings.Cut(head, ".")
	e.State = State(state)
	if !slices.Contains(states, e.State) || !consists(count, digits, 4) || count[0] == '0' || hasTime && !consists(at, digits+"TZ", MaxLabel) {
		return Entry{}, fmt.Errorf("%q is not an entry", text)
	}
	if e.Count, err = strconv.Atoi(count); err != nil {
		return Entry{}, err
	}
	if hasTime {
		if e.At, err = parseTime(at); err != nil {
			return Entry{}, err
		}
	}
	if !hasBaseline {
		return e, nil
	}
	parts := strings.Split(baseline, ".")
	if len(parts) != 3 || !isBase36(parts[0]) || !isServer(parts[1]) || !isBase36(parts[2]) {
		return Entry{}, fmt.Errorf("%q is not an entry", text)
	}
	refused, errRefused := strconv.ParseInt(parts[0], 36, 64)
	up, errUp := strconv.ParseInt(parts[2], 36, 64)
	if err := errors.Join(errRefused, errUp); err != nil {
		return Entry{}, err
	}
	e.Before = &Baseline{Refused: refused, Server: parts[1], Up: time.Unix(up, 0).UTC()}
	return e, nil
}

func parseRollout(text string) (r Rollout, err error) {
	words := strings.Split(text, ",")
	if r.Since, err = parseTime(words[0]); err != nil {
		return Rollout{}, err
	}
	for _, word := range words[1:] {
		switch {
		case strings.HasPrefix(word, wordUnhealthy):
			r.Unhealthy, err = parseTime(strings.TrimPrefix(word, wordUnhealthy))
		case strings.HasPrefix(word, wordConverged):
			r.Converged, err = parseTime(strings.TrimPrefix(word, wordConverged))
		case word == wordPromoted:
			r.Promoted = true
		case word == wordRolledBack:
			r.RolledBack = true
		case word == wordEmergency:
			r.Emergency = true
		default:
			err = fmt.Errorf("%q is not a rollout word", word)
		}
		if err != nil {
			return Rollout{}, err
		}
	}
	return r, nil
}

// parseTime parses a time in timeLayout.
func parseTime(text string) (time.Time, error) {
	var n [6]int
	if len(text) != len(timeLayout) || text[8] != 'T' || text[15] != 'Z' {
		return time.Time{}, fmt.Errorf("%q is not a time", text)
	}
	for i, digits := range []string{text[:4], text[4:6], text[6:8], text[9:11], text[11:13], text[13:15]} {
		for _, c := range []byte(digits) {
			if c < '0' || c > '9' {
				return time.Time{}, fmt.Errorf("%q is not a time", text)
			}
			n[i] = 10*n[i] + int(c-'0')
		}
	}
	at := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	hour, minute, second := at.Clock()
	if year, month, day := at.Date(); [6]int{year, int(month), day, hour, minute, second} != n {
		return time.Time{}, fmt.Errorf("%q is not a time", text)
	}
	return within(at, text)
}

// within checks that timeLayout can express the time, even after rounding up.
func within(at time.Time, text string) (time.Time, error) {
	if year := at.Add(time.Second).Year(); at.Year() < 1 || year > 9999 {
		return time.Time{}, fmt.Errorf("the year of %q does not fit in a label", text)
	}
	return at, nil
}
