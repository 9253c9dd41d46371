package database

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"mautic-rotation/rotation/copies"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Value is the password, for the user at the server that the document or a
// setting names.
func (k *Kind) Value(d document.Document) (credential.Value, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return credential.Value{}, false, err
	}
	a, err := k.read(d)
	if err != nil {
		return credential.Value{}, false, err
	}
	return credential.Value{Target: k.target(a), Secret: a.password}, true, nil
}

// Where lists the field of each layout.
func (k *Kind) Where() string {
	var places []string
	for _, layout := range k.config.Layouts {
		places = append(places, string(layout.Password))
	}
	return strings.Join(places, " or ") + " (DATABASE_PASSWORD_POINTER names another one)"
}

// Login is the user's name and password.
func (k *Kind) Login(d document.Document) (copies.Login, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return copies.Login{}, false, err
	}
	a, err := k.read(d)
	return copies.Login{Name: a.user, Secret: a.password}, err == nil, err
}

// Location names the database that Open opens.
func (k *Kind) Location(d document.Document) (string, error) {
	a, err := k.read(d)
	if err != nil {
		return "", err
	}
	return k.server(a) + "/" + a.name, nil
}

// target names the account and its server. MySQL tells user names that differ
// in case apart.
func (k *Kind) target(a account) string { return a.user + "@" + k.server(a) }

// server names the account's server without a call: by the host or, if only RDS knows that, by
// RDS's identifier.
func (k *Kind) server(a account) string {
	if a.host == "" && k.config.Endpoint == "" {
		return "RDS/" + strings.ToLower(a.instance) + "/" + strconv.Itoa(a.port)
	}
	a = k.withEndpoint(a)
	return net.JoinHostPort(foldHost(a.host), strconv.Itoa(a.port))
}

// foldHost makes equal the ways to write one host: names in any case, with or
// without the dot at the end, and addresses.
func foldHost(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
