package leak

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestAValueIsFoundInEachFormAndNotNamed(t *testing.T) {
	for _, value := range []string{"Kq7-plain_9sXv", `q'u"o\te&<%é😀 end`, "a/b+c=d?e d"} {
		var v Values
		v.Add("the password", value)
		asJSON, _ := json.Marshal(map[string]string{"x": value})
		for name, text := range map[string]string{
			"plain":         "denied for " + value + ".",
			"JSON":          string(asJSON),
			"JSON in JSON":  nested(nested(value)),
			"Go":            fmt.Sprintf("%#v", value),
			"bytes":         fmt.Sprintf("%d", []byte("x"+value+"y")),
			"query":         "?p=" + url.QueryEscape(value),
			"path":          "/" + url.PathEscape(value),
			"percent":       percent(value),
			"hex":           hex.EncodeToString([]byte("x" + value)),
			"HEX":           strings.ToUpper(hex.EncodeToString([]byte(value))),
			"a dump":        fmt.Sprintf("% x", value),
			"SQL":           "SET '" + strings.ReplaceAll(value, "'", "''") + "'",
			"base64":        base64.StdEncoding.EncodeToString([]byte(value)),
			"basic, 1 over": base64.StdEncoding.EncodeToString([]byte("u:" + "xy" + value + ":z")),
			"basic, 2 over": base64.URLEncoding.EncodeToString([]byte("u:" + value)),
		} {
			if name == "JSON in JSON" && strings.ContainsAny(value, `"\<&`) {
				continue // escaped twice: nothing writes that here
			}
			findings := v.In(text)
			if len(findings) != 1 || !strings.HasPrefix(findings[0], "the password, ") || strings.Contains(findings[0], value) {
				t.Errorf("%s of %q: %q", name, value, findings)
			}
		}
	}
}

func TestWhatIsNoLeakIsNotFound(t *testing.T) {
	var v Values
	v.Add("the password", "Kq7-plain_9sXv")
	v.Add("a short one", "mautic")
	if v.Len() != 1 {
		t.Errorf("%d values", v.Len())
	}
	for _, text := range []string{"", "mautic", "Kq7-plain", "kq7-plain_9sxv", "[secret]", base64.StdEncoding.EncodeToString([]byte("Kq7-plain_"))} {
		if findings := v.In(text); findings != nil {
			t.Errorf("%q: %q", text, findings)
		}
	}
}

func nested(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
