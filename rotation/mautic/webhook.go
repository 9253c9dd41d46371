package mautic

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// WebhookLayout are the places in the document of a webhook secret and of the
// ones that come after and before it. Whoever receives webhooks accepts a
// signature by any of the three that is there.
type WebhookLayout struct {
	Secret   document.Pointer // what Mautic signs with now
	Next     document.Pointer // what it will sign with after the next rotation
	Previous document.Pointer // what it signed with before the last one
}

// DefaultWebhookLayout is the default. The runbook has no layout for webhooks.
// The first rotation adds Next, the second one Previous.
var DefaultWebhookLayout = WebhookLayout{
	Secret:   "/webhooks/secret",
	Next:     "/webhooks/next_secret",
	Previous: "/webhooks/previous_secret",
}

// DefaultMinLead is for receivers that read the secret once a day.
const DefaultMinLead = 24 * time.Hour

// WebhookConfig applies to all secrets of a function.
type WebhookConfig struct {
	Access

	// Layout's empty fields mean those of DefaultWebhookLayout.
	Layout WebhookLayout

	// Hooks are the names of the webhooks whose secret this is. None: all of
	// Mautic's.
	Hooks []string

	// MinLead is how long a next secret must have been published before Mautic signs with it. 0
	// means DefaultMinLead.
	MinLead time.Duration
}

// Webhook is the credential kind "webhook": the secret that Mautic signs the
// deliveries of webhooks with. Use NewWebhook.
//
// Mautic signs with one secret at a time, and a delivery that its receiver
// rejects is lost (5.1), or late (7.0). So what overlaps is what receivers accept: the next secret
// stands in the document long before Mautic signs with it, and the previous
// one for as long after it. A mautic:webhooks:process that runs while the
// secret is set signs with the old one until it ends, for up to 600 s.
type Webhook struct {
	config WebhookConfig
}

var _ credential.Kind = (*Webhook)(nil)

// NewWebhook returns the kind. It makes no connection yet.
func NewWebhook(c WebhookConfig) *Webhook {
	c.Layout.Secret = cmp.Or(c.Layout.Secret, DefaultWebhookLayout.Secret)
	c.Layout.Next = cmp.Or(c.Layout.Next, DefaultWebhookLayout.Next)
	c.Layout.Previous = cmp.Or(c.Layout.Previous, DefaultWebhookLayout.Previous)
	c.MinLead = cmp.Or(c.MinLead, DefaultMinLead)
	return &Webhook{config: c}
}

// Name returns "webhook".
func (k *Webhook) Name() string { return "webhook" }

// NeedsRestart is false: Mautic reads the secret from its tables whenever it
// begins to send.
func (k *Webhook) NeedsRestart() bool { return false }

// Fields returns the places of the secret in use and, as far as they are
// there, of the next and the previous one.
func (k *Webhook) Fields(d document.Document) ([]document.Pointer, error) {
	return fieldsOf(d, k.config.Layout.Secret, k.config.Layout.Next, k.config.Layout.Previous)
}

// Generate moves the secrets on: the next one becomes the one in use, that one
// the previous, and a new next one is made. Where there is no next secret yet,
// it is published, and the one in use stays. In an emergency all that are there
// are made anew, without regard to receivers.
//
// It fails when a rotation would: when the database cannot be reached, or a
// hook has a secret that the document does not know. Where the next secret has
// been published for less than MinLead, it is too early.
func (k *Webhook) Generate(ctx context.Context, g credential.Generation) (document.Document, error) {
	next, err := k.advance(g)
	if err != nil {
		return document.Document{}, err
	}
	if err := credential.FirstProblem(k.Preflight(ctx, g.Current)); err != nil {
		return document.Document{}, err
	}
	return next, nil
}

// advance is the part of Generate that makes no call.
func (k *Webhook) advance(g credential.Generation) (document.Document, error) {
	layout := k.config.Layout
	held, err := k.secrets(g.Current)
	if err != nil {
		return document.Document{}, err
	}
	switch {
	case g.Emergency:
		// The previous one, too, for what is accepted may have leaked. It is
		// not added where there is none.
		next := hookSecrets{secret: newHookSecret(), next: newHookSecret()}
		if held.previous != "" {
			next.previous = newHookSecret()
		}
		return next.write(g.Current, layout)
	case held.next == "" || held.next == held.secret:
		// No previous one is added: an empty field would be one more secret to
		// whoever goes by the field alone, and anyone can sign with it.
		held.next = newHookSecret()
		return held.write(g.Current, layout)
	case !g.Last.IsZero() && g.Now.Sub(g.Last) < k.config.MinLead:
		return document.Document{}, &credential.TooEarly{
			Until: g.Last.Add(k.config.MinLead),
			Why:   fmt.Sprintf("receivers of webhooks have %s to read the next secret, which was published at %s", k.config.MinLead, g.Last.UTC().Format(time.RFC3339)),
		}
	default:
		// Also where it is not known when the kind was last rotated: to wait for
		// that would be to wait for good.
		next := hookSecrets{secret: held.next, next: newHookSecret(), previous: held.secret}
		return next.write(g.Current, layout)
	}
}

// newHookSecret makes one as Mautic does: 32 random bytes as 64 hex digits.
func newHookSecret() string {
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(random)
}

// hookSecrets are what a document stores; a missing one is "".
type hookSecrets struct{ secret, next, previous string }

func (k *Webhook) secrets(d document.Document) (s hookSecrets, err error) {
	for p, into := range map[document.Pointer]*string{
		k.config.Layout.Secret:   &s.secret,
		k.config.Layout.Next:     &s.next,
		k.config.Layout.Previous: &s.previous,
	} {
		if *into, err = d.Text(p); err != nil && !errors.Is(err, document.ErrMissing) {
			return hookSecrets{}, err
		}
	}
	if s.secret == "" {
		return hookSecrets{}, fmt.Errorf("field %s is empty or missing: store the secret there that Mautic's webhooks have now", k.config.Layout.Secret)
	}
	return s, nil
}

// write puts the secrets into a document, and adds missing fields.
func (s hookSecrets) write(d document.Document, layout WebhookLayout) (document.Document, error) {
	for _, field := range []struct {
		at    document.Pointer
		value string
	}{{layout.Secret, s.secret}, {layout.Next, s.next}, {layout.Previous, s.previous}} {
		found, err := d.Has(field.at)
		switch {
		case err != nil:
		case found:
			d, err = d.Replace(field.at, field.value)
		case field.value != "":
			d, err = d.Insert(field.at, field.value)
		}
		if err != nil {
			return document.Document{}, err
		}
	}
	return d, nil
}

// both reads the two sides of a change.
func (k *Webhook) both(c credential.Change) (current, pending hookSecrets, err error) {
	if current, err = k.secrets(c.Current); err != nil {
		return hookSecrets{}, hookSecrets{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if pending, err = k.secrets(c.Pending); err != nil {
		return hookSecrets{}, hookSecrets{}, fmt.Errorf("AWSPENDING: %w", err)
	}
	return current, pending, nil
}
