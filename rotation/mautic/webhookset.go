package mautic

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

var webhookTables = []string{"webhooks"}

// hook is a row of Mautic's webhooks.
type hook struct {
	id           int64
	name, secret string
}

// hooks returns the hooks whose secret this is.
func (k *Webhook) hooks(ctx context.Context, s *store) (hooks []hook, err error) {
	var there []string
	err = s.rows(ctx, "SELECT id, name, secret FROM {webhooks} ORDER BY id", nil, func(scan func(...any) error) error {
		var h hook
		err := scan(&h.id, &h.name, &h.secret)
		there = append(there, h.name)
		if len(k.config.Hooks) == 0 || slices.Contains(k.config.Hooks, h.name) {
			hooks = append(hooks, h)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range k.config.Hooks {
		if !slices.ContainsFunc(hooks, func(h hook) bool { return h.name == name }) {
			missing = append(missing, name)
		}
	}
	switch {
	case len(missing) > 0 && len(there) > 0:
		return nil, fmt.Errorf("there is no webhook %s in Mautic, which has %s: correct MAUTIC_WEBHOOKS, or create the webhook", quoted(missing), brief(quoted(there)))
	case len(there) == 0:
		return nil, fmt.Errorf("there is no webhook in Mautic: create it, or remove field %s from the secret", k.config.Layout.Secret)
	}
	return hooks, nil
}

// quoted lists names.
func quoted(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, strconv.Quote(name))
	}
	return strings.Join(all, ", ")
}

// others names the hooks whose secret is none of these. An empty secret, which a document may
// have no field for, counts as none of them.
func others(hooks []hook, secrets ...string) (names []string) {
	for _, h := range hooks {
		if h.secret == "" || !slices.Contains(secrets, h.secret) {
			name := strconv.Quote(h.name)
			if h.secret == "" {
				name += " (whose secret is empty)"
			}
			names = append(names, name)
		}
	}
	return names
}

// known fails if a hook has a secret of its own: its receiver does not know the document's, and
// would reject what is signed with a new one.
func known(hooks []hook, secrets ...string) error {
	if names := others(hooks, secrets...); len(names) > 0 {
		return credential.Failf(credential.Denied, "the webhook %s has a different secret in Mautic than in the document, so nothing was changed: give it the document's (Channels or Settings, Webhooks), or name the webhooks to rotate in MAUTIC_WEBHOOKS", strings.Join(names, ", "))
	}
	return nil
}

// Set gives the hooks the pending secret, all of them in one statement. Where
// only the next secret is new there is nothing to set. See credential.Target:
// receivers accept both, so nothing is refused.
func (k *Webhook) Set(ctx context.Context, c credential.Change) error {
	current, pending, err := k.both(c)
	if err != nil {
		return err
	}
	if current.secret == pending.secret {
		c.Log.Info("the next webhook secret is only published: Mautic still signs with the current one")
		return nil
	}
	// The hooks may have AWSCURRENT's next secret: of a rotation that was given
	// up after it was set.
	written, err := k.swap(ctx, c, pending.secret, current.secret, current.next)
	if err == nil && written {
		c.Log.Info("Mautic now signs webhooks with the pending secret; a mautic:webhooks:process that is running signs with the previous one until it ends, for up to 600 s")
	}
	return err
}

// Route logs in to Mautic's database, by which PutBack sets the secrets.
func (k *Webhook) Route(ctx context.Context, c credential.Change) error {
	return k.config.reach(ctx, webhookTables, c)
}

// PutBack gives hooks with the pending secret the current one again.
func (k *Webhook) PutBack(ctx context.Context, c credential.Change) error {
	current, pending, err := k.both(c)
	if err != nil {
		return err
	}
	_, err = k.swap(ctx, c, current.secret, pending.secret)
	return err
}

// swap replaces the hooks' secrets, if they are among those that they may have. If it fails
// before the write, no hook has changed; if it returns nil, it has seen all of them have the new
// one.
func (k *Webhook) swap(ctx context.Context, c credential.Change, to string, from ...string) (written bool, err error) {
	s, err := k.config.open(ctx, webhookTables, c.Current, c.Pending)
	if err != nil {
		return false, err
	}
	defer s.close()
	if err := s.lockToChange(ctx, webhookLock); err != nil {
		return false, err
	}
	for range attempts {
		hooks, err := k.hooks(ctx, s)
		if err != nil {
			return written, err
		}
		if len(others(hooks, to)) == 0 {
			return written, nil
		}
		if err := known(hooks, append(slices.Clone(from), to)...); err != nil {
			return written, err
		}
		if err := credential.Confirmed(ctx, c.Confirm); err != nil {
			return written, err
		}
		args := []any{to}
		for _, secret := range from {
			args = append(args, secret)
		}
		for _, h := range hooks {
			args = append(args, h.id)
		}
		// The comparison is of bytes: the column's own would take a for A.
		err = s.exec(ctx, "UPDATE {webhooks} SET secret = ? WHERE secret IN ("+repeated("CAST(? AS BINARY)", len(from))+") AND id IN ("+repeated("?", len(hooks))+")", args...)
		if err != nil {
			return written, err
		}
		written = true
	}
	return written, fmt.Errorf("the webhooks' secrets: %w", errMoving)
}

// repeated lists something n times, with commas.
func repeated(what string, n int) string {
	return strings.TrimSuffix(strings.Repeat(what+", ", n), ", ")
}

// Test reads back what the hooks sign with. More could only be seen with a delivery, which would
// go to a receiver.
func (k *Webhook) Test(ctx context.Context, c credential.Change) error {
	_, pending, err := k.both(c)
	if err != nil {
		return err
	}
	if err := k.compare(ctx, pending.secret, c.Current, c.Pending); err != nil {
		return err
	}
	c.Log.Info("Mautic has stored the pending webhook secret (read back)")
	return nil
}

// Probe reads the hooks' secrets.
func (k *Webhook) Probe(ctx context.Context, d document.Document) (credential.Outcome, error) {
	held, err := k.secrets(d)
	if err != nil {
		return credential.Unknown, err
	}
	err = k.compare(ctx, held.secret, d)
	return credential.OutcomeOf(err), err
}

func (k *Webhook) compare(ctx context.Context, secret string, databases ...document.Document) error {
	s, err := k.config.open(ctx, webhookTables, databases...)
	if err != nil {
		return err
	}
	defer s.close()
	hooks, err := k.hooks(ctx, s)
	if err != nil {
		return err
	}
	return known(hooks, secret)
}

// Preflight checks everything that a rotation needs. See credential.Target.
func (k *Webhook) Preflight(ctx context.Context, current document.Document) []credential.Check {
	held, err := k.secrets(current)
	checks := []credential.Check{{What: "the secret holds the webhooks' secret", Problem: err}}
	if err != nil {
		return checks
	}
	add := func(what string, problem error) {
		checks = append(checks, credential.Check{What: what, Problem: problem})
	}
	s, err := k.config.open(ctx, webhookTables, current)
	add("log in to Mautic's database and find its tables", err)
	if err != nil {
		return checks
	}
	defer s.close()
	hooks, err := k.hooks(ctx, s)
	add("Mautic has the webhooks", err)
	if err == nil {
		// The next one: of a rotation that was given up after it was set. The
		// next rotation finds it in place.
		add("the webhooks have the secret in the document", known(hooks, held.secret, held.next))
	}
	add("the database's user may set a webhook's secret", s.rehearse(ctx, "UPDATE {webhooks} SET secret = secret WHERE 1 = 0"))
	if held.next == "" {
		checks = append(checks, credential.Check{What: "the next secret is published", Warning: fmt.Errorf("there is none yet: the first rotation adds field %s and changes nothing in Mautic; let the receivers accept it, and field %s, before the second one", k.config.Layout.Next, k.config.Layout.Previous)})
	}
	return checks
}
