package rotation

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/secret"
)

// writable takes every write, and keeps in mind that there was one.
type writable struct {
	secret.API
	Services
	wrote int
}

func (w *writable) PutSecretValue(context.Context, *sm.PutSecretValueInput, ...func(*sm.Options)) (*sm.PutSecretValueOutput, error) {
	w.wrote++
	return &sm.PutSecretValueOutput{}, nil
}

func (w *writable) UpdateSecretVersionStage(context.Context, *sm.UpdateSecretVersionStageInput, ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error) {
	w.wrote++
	return &sm.UpdateSecretVersionStageOutput{}, nil
}

func (w *writable) DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error) {
	return &sm.DescribeSecretOutput{}, nil
}

func (w *writable) GetSecretValue(context.Context, *sm.GetSecretValueInput, ...func(*sm.Options)) (*sm.GetSecretValueOutput, error) {
	return nil, errors.New("not there")
}

func (w *writable) RedeployService(context.Context, string, *slog.Logger) error {
	w.wrote++
	return nil
}

func TestWhoOnlyLooksCanWriteNothing(t *testing.T) {
	t.Parallel()
	const arn, other = "arn:a", "arn:b"
	for _, is := range []bool{asking, silent} {
		w := &writable{}
		r := New(Config{SecretsManager: w, Services: w, Secrets: []string{arn, other}}).toLook(is, arn, slog.New(slog.NewTextHandler(io.Discard, nil)), &scrub.Secrets{})
		runs := []*run{r}
		for besides := range r.besides() {
			runs = append(runs, besides)
		}
		if len(runs) != 2 {
			t.Fatalf("%d secrets", len(runs))
		}
		doc, err := document.Parse("{}")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if err := r.write.MoveLabel(t.Context(), "mine", "v1", ""); !errors.Is(err, errLooks) {
				t.Errorf("a label was moved: %v", err)
			}
			if _, err := r.write.Put(t.Context(), secret.NewVersion{ID: "v2", Doc: doc, Labels: []string{"mine"}}); !errors.Is(err, errLooks) {
				t.Errorf("a version was stored: %v", err)
			}
			if err := r.services.RedeployService(t.Context(), "web", r.log); !errors.Is(err, errLooks) {
				t.Errorf("a service was redeployed: %v", err)
			}
		}
		if w.wrote > 0 {
			t.Errorf("%d writes were made", w.wrote)
		}
	}
}
