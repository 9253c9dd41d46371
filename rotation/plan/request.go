package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Request is what someone asks of a rotation, in words.
type Request struct {
	All       bool     // every kind
	Only      []string // these kinds
	Emergency bool     // the values that are replaced may have leaked
}

// None reports whether nothing is asked for.
func (r Request) None() bool { return !r.All && !r.Emergency && len(r.Only) == 0 }

// The words: in the ClientRequestToken of a rotation, with dots between them and
// before whatever makes the token unique, or in a staging label on any version,
// for those who cannot choose the token.
//
//	only.database.admin.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e
//	all.3f2a91c0-…    emergency.3f2a91c0-…    only.api.emergency.3f2a91c0-…
//	rotate;only.database
const (
	wordAll       = "all"
	wordOnly      = "only"
	wordEmergency = "emergency"
	requestPrefix = "rotate;"
)

// HowToRequest is the remedy in every error about words.
const HowToRequest = "write all, emergency, or only and the kinds, each followed by a dot, then a UUID: only.database.admin.$(uuidgen)"

// RequestInToken reads the words of a token. Those between "only" and the next word name known
// kinds. A token that does not begin with a word asks for nothing: it is Secrets Manager's own,
// or someone else's. Words that make no valid request are an error with the remedy.
func RequestInToken(token string, known []string) (r Request, err error) {
	words := strings.Split(token, ".")
	if !slices.Contains([]string{wordAll, wordOnly, wordEmergency}, words[0]) {
		return Request{}, nil
	}
	return parseRequest(words[:len(words)-1], known)
}

// RequestFor reads a token's words or, if it has none, a label's. The labels are those of all
// versions, by id.
func RequestFor(token string, labels map[string][]string, known []string) (Request, error) {
	r, err := RequestInToken(token, known)
	if err != nil || !r.None() {
		return r, err
	}
	label, _ := RequestLabel(labels)
	if label == "" {
		return Request{}, nil
	}
	if r, err = requestInLabel(label, known); err != nil {
		return Request{}, fmt.Errorf("the staging label %s, which was removed: %w", label, err)
	}
	return r, nil
}

// requestInLabel reads the words of a label. A label can be added at any time, so it must not
// affect a value that was made earlier, as an emergency would.
func requestInLabel(label string, known []string) (Request, error) {
	r, err := parseRequest(strings.Split(strings.TrimPrefix(label, requestPrefix), "."), known)
	if err == nil && r.Emergency {
		return Request{}, errors.New("an emergency can only be asked for in the token, not in a label: " + HowToRequest)
	}
	return r, err
}

// RequestLabel finds the label with words, and its version; both are "" if there is none. Of
// several it is the first in alphabetical order; the next rotations follow the others.
func RequestLabel(labels map[string][]string) (label, id string) {
	for version, stages := range labels {
		for _, stage := range stages {
			if strings.HasPrefix(stage, requestPrefix) && (label == "" || stage < label) {
				label, id = stage, version
			}
		}
	}
	return label, id
}

// UnreadableRequests returns the labels with invalid words, by version id.
func UnreadableRequests(labels map[string][]string, known []string) map[string][]string {
	unreadable := map[string][]string{}
	for version, stages := range labels {
		for _, stage := range stages {
			if !strings.HasPrefix(stage, requestPrefix) {
				continue
			}
			if _, err := requestInLabel(stage, known); err != nil {
				unreadable[version] = append(unreadable[version], stage)
			}
		}
	}
	return unreadable
}

func parseRequest(words, known []string) (r Request, err error) {
	naming := false
	for _, word := range words {
		switch {
		case word == wordAll:
			r.All, naming = true, false
		case word == wordEmergency:
			r.Emergency, naming = true, false
		case word == wordOnly:
			naming = true
		case naming && slices.Contains(known, word):
			r.Only = append(r.Only, word)
		default:
			return Request{}, fmt.Errorf("the rotation asks for %q, which this function does not know (kinds: %s): %s", word, strings.Join(known, ", "), HowToRequest)
		}
	}
	switch {
	case r.All && len(r.Only) > 0:
		return Request{}, errors.New("the rotation asks both for all kinds and for only some: " + HowToRequest)
	case slices.Contains(words, wordOnly) && len(r.Only) == 0:
		return Request{}, errors.New("the rotation asks for only some kinds, but names none: " + HowToRequest)
	}
	return r, nil
}
