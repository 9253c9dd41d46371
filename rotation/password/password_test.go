package password

import (
	"strings"
	"testing"
)

func TestNewPolicyNamesEveryFaultAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name     string
		length   int
		alphabet string
		faults   []string
	}{
		{"the default", DefaultLength, DefaultAlphabet, nil},
		{"letters and digits", 16, DefaultAlphabet[:62], nil},
		{"as long as RDS takes", 41, DefaultAlphabet, nil},
		{"too short", 15, DefaultAlphabet, []string{"length 15"}},
		{"too long for RDS", 42, DefaultAlphabet, []string{"length 42"}},
		{"what breaks Mautic", 32, DefaultAlphabet + "%", []string{`'%'`}},
		{"several faults", 5, DefaultAlphabet[:30] + `"A`, []string{"length 5", `'"'`, `'A' occurs twice`}},
		{"too few characters", 32, "abcdef", []string{"6 characters"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewPolicy(tc.length, tc.alphabet)
			if len(tc.faults) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, fault := range tc.faults {
				if err == nil || !strings.Contains(err.Error(), fault) {
					t.Errorf("got %v, want it to name %s", err, fault)
				}
			}
		})
	}
}

func TestGenerateKeepsToThePolicyAndFavoursNoCharacter(t *testing.T) {
	policy, err := NewPolicy(MinLength, DefaultAlphabet)
	if err != nil {
		t.Fatal(err)
	}
	const passwords = 20000
	seen := map[string]bool{}
	count := map[rune]int{}
	for range passwords {
		p := policy.Generate()
		if len(p) != MinLength || strings.Trim(p, DefaultAlphabet) != "" {
			t.Fatalf("a password of %d characters, or with others than the alphabet's", len(p))
		}
		if !policy.hasEveryClass(p) {
			t.Fatal("a class of characters is not represented, which validate_password would refuse")
		}
		if seen[p] {
			t.Fatal("the same password twice")
		}
		seen[p] = true
		for _, r := range p {
			count[r]++
		}
	}
	// Within a class every character is equally likely: 4,800 expected, with a
	// standard deviation of about 70, so 10% is beyond six of them.
	for _, class := range classes[:2] {
		mean := 0
		for _, r := range class {
			mean += count[r]
		}
		mean /= len(class)
		for _, r := range class {
			if diff := count[r] - mean; diff > mean/10 || diff < -mean/10 {
				t.Errorf("%q came %d times, the mean of its class is %d", r, count[r], mean)
			}
		}
	}
}
