package mautic

import (
	"fmt"
	"strings"

	"mautic-rotation/rotation/copies"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// target names the Mautic that d's credentials are for, by its database. Of
// documents whose database's credentials are in another secret, all are for that
// one's.
func (a Access) target(d document.Document) (string, error) {
	own, err := a.Database.Fields(d)
	if err != nil {
		return "", err
	}
	if len(own) == 0 {
		return "Mautic in the database of DATABASE_SECRET_ARN", nil
	}
	location, err := a.Database.Location(d)
	if err != nil {
		return "", err
	}
	return "Mautic in " + location, nil
}

// value completes a kind's value.
func (a Access) value(d document.Document, account, secret string) (credential.Value, bool, error) {
	target, err := a.target(d)
	if err != nil {
		return credential.Value{}, false, err
	}
	return credential.Value{Target: target + ", " + account, Secret: secret}, true, nil
}

// Value is the password, of the user in Mautic that the document names. The
// collation of Mautic's tables does not tell names apart that differ in case.
func (k *Admin) Value(d document.Document) (credential.Value, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return credential.Value{}, false, err
	}
	l, err := k.login(d)
	if err != nil {
		return credential.Value{}, false, err
	}
	return k.config.value(d, "user "+strings.ToLower(l.user), l.password)
}

// Where is the password.
func (k *Admin) Where() string { return string(k.config.Layout.Password) }

// Where is the client's secret.
func (k *API) Where() string { return string(k.config.Layout.Key) }

// Where is the secret in use.
func (k *Webhook) Where() string { return string(k.config.Layout.Secret) }

// Login is the user's name, as the document has it, and password.
func (k *Admin) Login(d document.Document) (copies.Login, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return copies.Login{}, false, err
	}
	l, err := k.login(d)
	return copies.Login{Name: l.user, Secret: l.password}, err == nil, err
}

// Login is the client's id, as its callers send it, and its secret.
func (k *API) Login(d document.Document) (copies.Login, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return copies.Login{}, false, err
	}
	p, err := k.pair(d)
	if err != nil || !p.hasClient() {
		return copies.Login{}, false, err
	}
	return copies.Login{Name: p.String(), Secret: p.secret}, true, nil
}

// Value is the client's id and its secret. A key of no client is for no target
// that is known.
func (k *API) Value(d document.Document) (credential.Value, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return credential.Value{}, false, err
	}
	p, err := k.pair(d)
	switch {
	case err != nil:
		return credential.Value{}, false, err
	case !p.hasClient():
		return credential.Value{Target: "no target that is known", Secret: p.secret}, true, nil
	}
	return k.config.value(d, "API clients", fmt.Sprintf("%q %q", p.clientID, p.secret))
}

// Value is the secret that Mautic signs with. The next and the previous one are
// what receivers accept, and no value of Mautic's.
func (k *Webhook) Value(d document.Document) (credential.Value, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return credential.Value{}, false, err
	}
	s, err := k.secrets(d)
	if err != nil {
		return credential.Value{}, false, err
	}
	return k.config.value(d, "webhooks", s.secret)
}
