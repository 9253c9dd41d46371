package rotation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/document"
)

// Which kinds a rotation changes is decided once, in createSecret, and stored
// nowhere: from then on it is the difference between the two documents.

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
	// A label may be put on at any time: what it says must not concern a value
	// that was made before, as an emergency's does.
	w, err = parseWish(strings.Split(strings.TrimPrefix(label, wishLabelPrefix), "."), known)
	if err == nil && w.emergency {
		return wish{}, errors.New("an emergency is asked for in the token alone, not in a label: " + howToWish)
	}
	return w, err
}

// wishLabel finds the label with words, and its version.
func wishLabel(labels map[string][]string) (label, id string) {
	for id, stages := range labels {
		for _, label := range stages {
			if strings.HasPrefix(label, wishLabelPrefix) {
				return label, id
			}
		}
	}
	return "", ""
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

// A choice is which kinds a rotation changes, and why not the others.
type choice struct {
	kinds []string
	why   map[string]string // of those that are present and not chosen
}

// choose decides which kinds a rotation changes.
func choose(o occasion) (choice, error) {
	c := choice{why: map[string]string{}}
	for _, name := range o.only {
		if !slices.Contains(o.present, name) {
			return choice{}, fmt.Errorf("the rotation asks for the %s credential, and the secret has none: it has %s", name, strings.Join(o.present, ", "))
		}
	}
	for _, name := range o.present {
		why, refused := o.against(name)
		if refused {
			return choice{}, fmt.Errorf("the rotation asks for the %s credential, which cannot be rotated now: %s. Wait, or see to it that its overlap ends", name, why)
		}
		if why == "" {
			c.kinds = append(c.kinds, name)
		} else {
			c.why[name] = why
		}
	}
	return c, nil
}

// against tells why a kind is not rotated; refused: although it was asked for by
// its name.
func (o occasion) against(name string) (why string, refused bool) {
	asked := slices.Contains(o.only, name)
	switch {
	case len(o.only) > 0 && !asked:
		return "others were asked for", false
	case o.open[name] != "" && !o.emergency:
		return o.open[name], asked
	case !o.none() || !o.scheduled:
		return "", false
	case o.heldOff:
		return "the last rotation was rolled back, so the schedule rotates nothing", false
	case !o.due(name):
		return fmt.Sprintf("it is not due: it was rotated at %s, and is every %d days", o.last[name].Format(time.RFC3339), o.every[name]/(24*time.Hour)), false
	}
	return "", false
}

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

// rotatedAt is the block of the document that says when each kind was last
// rotated. It is there when a secret has several.
const rotatedAt = "/rotated_at/"

// lastRotated reads the block. What is not a time counts as not known.
func lastRotated(d document.Document, kinds []string) map[string]time.Time {
	last := map[string]time.Time{}
	for _, name := range kinds {
		text, err := d.Text(document.Pointer(rotatedAt + name))
		if err != nil {
			continue
		}
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			last[name] = at
		}
	}
	return last
}

// noteRotated writes the block.
func noteRotated(d document.Document, kinds []string, at time.Time) (document.Document, error) {
	var err error
	for _, name := range kinds {
		if d, err = d.Put(document.Pointer(rotatedAt+name), at.UTC().Format(time.RFC3339)); err != nil {
			return document.Document{}, fmt.Errorf("note when the kinds were rotated: %w", err)
		}
	}
	return d, nil
}
