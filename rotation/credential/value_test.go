package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestAValueIsHiddenHoweverItIsPrintedLoggedOrEncoded(t *testing.T) {
	v := Value{Target: "the-target", Secret: "the-secret"}
	nested := struct{ V Value }{v}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%T"} {
		shown[verb] = fmt.Sprintf(verb, v)
		shown[verb+" of a pointer"] = fmt.Sprintf(verb, &v)
		shown[verb+" of a field"] = fmt.Sprintf(verb, nested)
		shown[verb+" of a list"] = fmt.Sprintf(verb, []Value{v})
	}
	for name, value := range map[string]any{"value": v, "field": nested, "map": map[Value]Value{v: v}} {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		shown["JSON of a "+name] = string(encoded)
		var text, lines bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "value", value)
		slog.New(slog.NewJSONHandler(&lines, nil)).Info("m", "value", value)
		shown["log of a "+name], shown["JSON log of a "+name] = text.String(), lines.String()
	}
	for how, got := range shown {
		for _, part := range []string{v.Target, v.Secret, fmt.Sprintf("%x", v.Secret)} {
			if strings.Contains(got, part) {
				t.Errorf("%s shows %s: %s", how, part, got)
			}
		}
	}
	if got := shown["%v"]; got != hidden {
		t.Errorf("%%v: got %s", got)
	}
}

func TestValuesAreTheSameIfBothPartsAre(t *testing.T) {
	v := Value{Target: "a", Secret: "b"}
	for other, want := range map[Value]bool{
		{Target: "a", Secret: "b"}: true,
		{Target: "a", Secret: "c"}: false,
		{Target: "c", Secret: "b"}: false,
	} {
		if (v == other) != want {
			t.Errorf("%q %q: got %v", other.Target, other.Secret, !want)
		}
	}
}
