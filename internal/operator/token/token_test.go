package token

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/rotation/plan"
)

func TestATokenHasItsWordsAndFitsAndTheFunctionReadsThem(t *testing.T) {
	for _, c := range []struct {
		only      []string
		emergency bool
	}{
		{nil, false}, {nil, true}, {[]string{"database"}, false}, {[]string{"database"}, true},
		{[]string{"smtp", "api"}, true}, {[]string{"admin", "api", "database"}, true}, {Kinds, false}, {Kinds, true},
	} {
		token, err := New(rand.Reader, c.only, c.emergency)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if len(token) > Most || len(token) < 32 {
			t.Errorf("%s has %d characters", token, len(token))
		}
		request, err := plan.RequestInToken(token, Kinds)
		if err != nil || request.Emergency != c.emergency || !slices.Equal(request.Only, c.only) || request.None() || request.All != (c.only == nil && !c.emergency) {
			t.Errorf("%s is read as %+v, %v", token, request, err)
		}
		if again, _ := New(rand.Reader, c.only, c.emergency); again == token {
			t.Errorf("%s came twice", token)
		}
	}
}

func TestAKindThatThereIsNotIsAnErrorOfUsage(t *testing.T) {
	for _, only := range [][]string{{"databse"}, {"api", "api"}, {""}} {
		_, err := New(rand.Reader, only, false)
		if fault.CodeOf(err) != fault.Usage {
			t.Errorf("%v: %v", only, err)
		}
	}
	_, err := New(strings.NewReader("short"), nil, false)
	if err == nil || errors.As(err, new(*fault.Error)) {
		t.Errorf("without randomness: %v", err)
	}
}
