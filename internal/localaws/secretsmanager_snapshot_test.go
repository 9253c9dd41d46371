package localaws_test

import (
	"bytes"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/secretsmanager"
)

func TestACoreGoesBackToASnapshotAndADigestTellsItsStatesApart(t *testing.T) {
	t.Parallel()
	w := newWorld(1, secretsmanager.Options{})
	put := func(token, text string, labels ...string) {
		t.Helper()
		_, err := w.PutSecretValue(t.Context(), secretsmanager.PutSecretValueInput{
			SecretID: "s", ClientRequestToken: localtest.Token(token), SecretString: &text, VersionStages: labels,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.CreateSecret(t.Context(), secretsmanager.CreateSecretInput{Name: "s", ClientRequestToken: localtest.Token("one"), SecretString: ptr("old")}); err != nil {
		t.Fatal(err)
	}
	before, digest := w.Snapshot(), w.AppendDigest(nil)
	if again := w.AppendDigest(nil); !bytes.Equal(again, digest) {
		t.Error("the same state has two digests")
	}
	put("two", "new")
	if _, err := w.RotateSecret(t.Context(), secretsmanager.RotateSecretInput{SecretID: "s", ClientRequestToken: localtest.Token("three"), RotationLambdaARN: "f"}); err != nil {
		t.Fatal(err)
	}
	after, changed := w.Snapshot(), w.AppendDigest(nil)
	if bytes.Equal(changed, digest) {
		t.Error("another state has the same digest")
	}

	w.Restore(before)
	state, err := w.State("s")
	if err != nil || len(state.Versions) != 1 || state.Labelled("AWSCURRENT").Value != "old" || w.Rotation("s") != nil || !bytes.Equal(w.AppendDigest(nil), digest) {
		t.Errorf("after going back: %+v, %v", state, err)
	}
	put("four", "other") // which no snapshot sees
	w.Restore(after)
	if state, err = w.State("s"); err != nil || state.Labelled("AWSCURRENT").Value != "new" || state.Labelled("AWSPENDING").ID != localtest.Token("three") || !bytes.Equal(w.AppendDigest(nil), changed) {
		t.Errorf("after going forth: %+v, %v", state, err)
	}

	// Whatever can be read makes another state.
	w.Restore(before)
	for what, change := range map[string]func(){
		"a label": func() { put("five", "old", "custom") },
		"a value": func() { put("five", "older", "custom") },
		"a time":  func() { w.Now = w.Now.Add(time.Second); put("five", "old", "custom") },
	} {
		w.Restore(before)
		now := w.Now
		change()
		if sum := w.AppendDigest(nil); bytes.Equal(sum, digest) {
			t.Errorf("%s makes no difference", what)
		} else {
			w.Restore(before)
		}
		w.Now = now
	}
}
