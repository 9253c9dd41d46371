package rotation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Which kinds a rotation changes is decided once, in createSecret, and stored in
// the pending version's label, by the call that stores its value.

// DefaultEvery is how often the schedule rotates each kind of a secret that has
// several, after the rhythms that are usual for Mautic.
var DefaultEvery = map[string]time.Duration{
	"database": 90 * 24 * time.Hour,
	"admin":    60 * 24 * time.Hour,
	"api":      90 * 24 * time.Hour,
	"webhook":  90 * 24 * time.Hour,
	"smtp":     180 * 24 * time.Hour,
}

// wish is what somebody asks of a rotation, in words.
type wish struct {
	all, emergency bool
	only           []string
}

func (w wish) none() bool { return !w.all && !w.emergency && len(w.only) == 0 }

// The words: in the ClientRequestToken of a rotation, with dots between them and
// before whatever makes the token unique, or in a staging label on any version,
// for those who cannot choose the token.
//
//	only.database.admin.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e
//	all.3f2a91c0-…    emergency.3f2a91c0-…    only.api.emergency.3f2a91c0-…
//	rotate;only.database
const (
	wordAll         = "all"
	wordOnly        = "only"
	wordEmergency   = "emergency"
	wishLabelPrefix = "rotate;"
)

// howToWish is the remedy of every error about words.
const howToWish = "write all, emergency, or only and the kinds, each followed by a dot, then a UUID: only.database.admin.$(uuidgen)"

// wishIn reads the words of a token. A token that does not begin with one of
// them has none: it is Secrets Manager's own, or of somebody who asks nothing.
func wishIn(token string, known []string) (w wish, err error) {
	words := strings.Split(token, ".")
	if !slices.Contains([]string{wordAll, wordOnly, wordEmergency}, words[0]) {
		return wish{}, nil
	}
	return parseWish(words[:len(words)-1], known)
}

// wishOf reads a token's words, or else those of a label.
func wishOf(token string, labels map[string][]string, known []string) (wish, error) {
	w, err := wishIn(token, known)
	if err != nil || !w.none() {
		return w, err
	}
	label, _ := wishLabel(labels)
	if label == "" {
		return wish{}, nil
	}
	if w, err = wishInLabel(label, known); err != nil {
		return wish{}, fmt.Errorf("the staging label %s, which is taken off: %w", label, err)
	}
	return w, nil
}

// wishInLabel reads the words of a label. It may be put on at any time: what it
// says must not concern a value that was made before, as an emergency's does.
func wishInLabel(label string, known []string) (wish, error) {
	w, err := parseWish(strings.Split(strings.TrimPrefix(label, wishLabelPrefix), "."), known)
	if err == nil && w.emergency {
		return wish{}, errors.New("an emergency is asked for in the token alone, not in a label: " + howToWish)
	}
	return w, err
}

// wishLabel finds the label with words, and its version. Of several it is the
// first in the order of the alphabet; each of the next rotations follows another.
func wishLabel(labels map[string][]string) (label, id string) {
	for version, stages := range labels {
		for _, stage := range stages {
			if strings.HasPrefix(stage, wishLabelPrefix) && (label == "" || stage < label) {
				label, id = stage, version
			}
		}
	}
	return label, id
}

func parseWish(words, known []string) (w wish, err error) {
	naming := false
	for _, word := range words {
		switch {
		case word == wordAll:
			w.all, naming = true, false
		case word == wordEmergency:
			w.emergency, naming = true, false
		case word == wordOnly:
			naming = true
		case naming && slices.Contains(known, word):
			w.only = append(w.only, word)
		default:
			return wish{}, fmt.Errorf("the rotation asks for %q, which is no word this function knows (kinds: %s): %s", word, strings.Join(known, ", "), howToWish)
		}
	}
	switch {
	case w.all && len(w.only) > 0:
		return wish{}, errors.New("the rotation asks for all kinds and for some only: " + howToWish)
	case slices.Contains(words, wordOnly) && len(w.only) == 0:
		return wish{}, errors.New("the rotation asks for some kinds only, and names none: " + howToWish)
	}
	return w, nil
}

// occasion is what the choice of kinds depends on.
type occasion struct {
	wish
	now       time.Time
	scheduled bool
	interval  time.Duration        // of the schedule; 0: not known
	present   []string             // the kinds that the secret has
	open      map[string]string    // those with an open overlap, and why
	last      map[string]time.Time // when each was last rotated; missing: not known
	every     map[string]time.Duration
	heldOff   bool // the last rotation was rolled back
}

// A choice is which kinds a rotation changes, and why it does not change the
// others: those that are not its turn, and those that cannot be rotated now, which
// are left out.
type choice struct {
	occasion
	kinds   []string
	why     map[string]string // of those that were asked for or are present, and are not among kinds
	leftOut []string          // of those in why, the ones that cannot be rotated now
}

// choose decides which kinds a rotation is to change.
func choose(o occasion) choice {
	c := choice{occasion: o, why: map[string]string{}}
	for _, name := range o.only {
		if !slices.Contains(o.present, name) {
			c.leaveOut(name, "the secret has no such credential: it has "+strings.Join(o.present, ", "))
		}
	}
	for _, name := range o.present {
		if why := o.skipReason(name); why == "" {
			c.kinds = append(c.kinds, name)
		} else {
			c.why[name] = why
		}
	}
	return c
}

// notAsked is the reason of a kind that goes without saying.
const notAsked = "others were asked for"

// skipReason tells why a kind is not to be rotated; "" if it is.
func (o occasion) skipReason(name string) string {
	switch {
	case len(o.only) > 0 && !slices.Contains(o.only, name):
		return notAsked
	case o.open[name] != "" && !o.emergency:
		return o.open[name]
	case o.byHand():
		return ""
	case o.heldOff:
		return "the last rotation was rolled back, so the schedule rotates nothing"
	case !o.due(name):
		return fmt.Sprintf("it is not due: it was rotated at %s, and is every %d days", o.last[name].Format(time.RFC3339), o.every[name]/(24*time.Hour))
	}
	return ""
}

// byHand tells that somebody asked for the rotation, and waits for an answer.
func (o occasion) byHand() bool { return !o.scheduled || !o.none() }

// skip takes a kind out of the choice, for it is not its turn after all.
func (c *choice) skip(name, why string) {
	c.kinds = slices.DeleteFunc(slices.Clone(c.kinds), func(kind string) bool { return kind == name })
	c.why[name] = why
}

// leaveOut takes a kind out of the choice that cannot be rotated now.
func (c *choice) leaveOut(name, why string) {
	c.skip(name, why)
	if !slices.Contains(c.leftOut, name) {
		c.leftOut = append(c.leftOut, name)
	}
}

// refusal is why a rotation is given up before it changes anything: somebody
// asked for it, and a kind that was asked for by its name is not among those that
// are rotated, or none is at all. An emergency takes what it can. What the
// schedule starts always goes on, if need be to change nothing: a failure would
// leave AWSPENDING on its version, and keep the next rotation from beginning.
func (c choice) refusal() error {
	missing := slices.DeleteFunc(slices.Clone(c.only), func(name string) bool { return slices.Contains(c.kinds, name) })
	switch {
	case !c.byHand(), c.emergency && len(c.kinds) > 0:
		return nil
	case len(c.kinds) == 0:
		return refused{fmt.Errorf("nothing can be rotated now: %s", c.reasons(slices.Sorted(maps.Keys(c.why))))}
	case len(missing) > 0:
		return refused{fmt.Errorf("the rotation asks for what cannot be rotated now: %s", c.reasons(missing))}
	}
	return nil
}

// reasons lists why these kinds are not rotated.
func (c choice) reasons(kinds []string) string {
	var list []string
	for _, name := range kinds {
		if why := c.why[name]; why != notAsked {
			list = append(list, name+": "+why)
		}
	}
	return strings.Join(list, "; ")
}

// refused is an error that no other attempt of the same rotation can mend, so the
// rotation is given up.
type refused struct{ error }

func (e refused) Unwrap() error { return e.error }

// due tells whether the schedule rotates a kind. The only kind of a secret is
// rotated each time, since the schedule is its rhythm. Of several, each has its
// own, and is due when the next opportunity would be farther off than this one:
// so that every 90 days on a schedule of 30 does not become every 120.
func (o occasion) due(name string) bool {
	last, known := o.last[name]
	if len(o.present) == 1 || !known {
		return true
	}
	return o.now.Sub(last) >= o.every[name]-o.interval/2
}
