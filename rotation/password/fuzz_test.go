package password

import (
	"strings"
	"testing"
)

// FuzzPolicy generates a password by every policy that is allowed.
func FuzzPolicy(f *testing.F) {
	f.Add(DefaultLength, DefaultAlphabet)
	f.Add(MinLength, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")
	f.Add(MinLength, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd0-") // one of two classes each
	f.Add(MaxLength+1, DefaultAlphabet+"%")
	f.Add(-1, "\xff\xfe"+strings.Repeat("A", 300))
	f.Add(20, DefaultAlphabet[:30]+"é☕")
	f.Fuzz(func(t *testing.T, length int, alphabet string) {
		policy, err := NewPolicy(length, alphabet)
		if err != nil {
			if policy != (Policy{}) {
				t.Fatal("an error and a policy")
			}
			return
		}
		if length < MinLength || length > MaxLength || len(alphabet) < 32 || strings.Trim(alphabet, DefaultAlphabet) != "" {
			t.Fatalf("allowed: %d of %q", length, alphabet)
		}
		p := policy.Generate()
		if len(p) != length || strings.Trim(p, alphabet) != "" || !policy.hasEveryClass(p) {
			t.Fatalf("%d characters of %q make a password that does not keep to the policy", length, alphabet)
		}
		if p == policy.Generate() {
			t.Fatal("the same password twice")
		}
	})
}
