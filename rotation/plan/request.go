package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Request is what somebody asks of a rotation, in words.
type Request struct {
	All       bool     // every kind
	Only      []string // these kinds
	Emergency bool     // what is replaced may have leaked
}

// None tells that nothing is asked for.
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

// HowToRequest is the remedy of every error about words.
const HowToRequest = "write all, emergency, or only and the kinds, each followed by a dot, then a UUID: only.database.admin.$(uuidgen)"

// RequestInToken reads the words of a token, of which those between "only" and the next
// word are names of known kinds. A token that does not begin with a word
// has none: it is Secrets Manager's own, or of somebody who asks nothing. Words that
// cannot be followed are an error with the remedy.
func RequestInToken(token string, known []string) (r Request, err error) {
	words := strings.Split(token, ".")
	if !slices.Contains([]string{wordAll, wordOnly, wordEmergency}, words[0]) {
		return Request{}, nil
	}
	return parseRequest(words[:len(words)-1], known)
}

// RequestFor reads a token's words, or else those of a label. The labels are those of all
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
		return Request{}, fmt.Errorf("the staging label %s, which is taken off: %w", label, err)
	}
	return r, nil
}

// requestInLabel reads the words of a label. It may be put on at any time: what it
// says must not concern a value that was made before, as an emergency's does.
func requestInLabel(label string, known []string) (Request, error) {
	r, err := parseRequest(strings.Split(strings.TrimPrefix(label, requestPrefix), "."), known)
	if err == nil && r.Emergency {
		return Request{}, errors.New("an emergency is asked for in the token alone, not in a label: " + HowToRequest)
	}
	return r, err
}

// RequestLabel finds the label with words, and its version; both are "" where there is none.
// Of several it is the first in the order of the alphabet; each of the next rotations
// follows another.
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

// UnreadableRequests are the labels whose words no rotation can follow, by version id.
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
			return Request{}, fmt.Errorf("the rotation asks for %q, which is no word this function knows (kinds: %s): %s", word, strings.Join(known, ", "), HowToRequest)
		}
	}
	switch {
	case r.All && len(r.Only) > 0:
		return Request{}, errors.New("the rotation asks for all kinds and for some only: " + HowToRequest)
	case slices.Contains(words, wordOnly) && len(r.Only) == 0:
		return Request{}, errors.New("the rotation asks for some kinds only, and names none: " + HowToRequest)
	}
	return r, nil
}
