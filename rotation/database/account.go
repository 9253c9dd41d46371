package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// account is who logs in where, with which password.
type account struct {
	user, password string
	host           string
	port           int
	name           string // the database; may be empty

	instance string // RDS's name of the server; may be empty
	endpoint string // where this function connects to instead, "host:port"; mostly empty
}

// place is what must be the same in both versions of a change.
func (a account) place() account {
	a.password = ""
	return a
}

// at is the account of other, with this one's password.
func (a account) at(other account) account {
	other.password = a.password
	return other
}

// address is where the application connects, according to the document.
func (a account) address() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// dial is where this function connects, and the host in it, which the server's certificate has to
// name.
func (a account) dial() (address, host string) {
	if a.endpoint == "" {
		return a.address(), a.host
	}
	host, _, _ = net.SplitHostPort(a.endpoint) // withEndpoint has made it
	return a.endpoint, host
}

// String names the account as MySQL's messages do, as far as the client knows it.
func (a account) String() string {
	address, _ := a.dial()
	return fmt.Sprintf("'%s' at %s", a.user, address)
}

// account reads the document's account, and asks RDS for the server if neither the document nor a
// setting names it.
func (k *Kind) account(ctx context.Context, d document.Document) (account, error) {
	a, err := k.read(d)
	if err != nil {
		return account{}, err
	}
	return k.locate(ctx, a)
}

// read is what the document and the settings say about the account. It reports everything wrong
// with it at once. Host and port may be missing if RDS can supply them.
func (k *Kind) read(d document.Document) (account, error) {
	layout, found, err := k.layout(d)
	if err != nil {
		return account{}, err
	}
	if !found {
		return account{}, errors.New("the secret has no database password")
	}
	var faults []error
	text := func(p document.Pointer) string {
		if p == "" {
			return ""
		}
		value, err := d.Text(p)
		if err != nil && !errors.Is(err, document.ErrMissing) {
			faults = append(faults, err)
		}
		return value
	}
	missing := func(what string, p document.Pointer, setting string) {
		if p == "" {
			faults = append(faults, fmt.Errorf("no %s: set %s", what, setting))
			return
		}
		faults = append(faults, fmt.Errorf("no %s: add field %s to the secret, or set %s", what, p, setting))
	}
	a := account{
		user:     first(text(layout.User), k.config.User),
		host:     first(text(layout.Host), k.config.Host),
		name:     first(text(layout.Name), k.config.Name),
		port:     k.config.Port,
		instance: first(k.config.Instance, text(layout.Cluster), text(layout.Instance)),
	}
	if a.user == "" {
		missing("database user", layout.User, "DATABASE_USER")
	}
	if a.host == "" && k.config.Endpoint == "" && (a.instance == "" || k.config.RDS == nil) {
		missing("database host", layout.Host, "DATABASE_HOST")
	}
	if fault := checkHost(a.host); fault != "" {
		where := "DATABASE_HOST"
		if text(layout.Host) != "" {
			where = "field " + string(layout.Host)
		}
		faults = append(faults, fmt.Errorf("%s is %q: %s", where, a.host, fault))
	}
	if engine := first(text(layout.Engine), engines[0]); !slices.Contains(engines, engine) {
		faults = append(faults, fmt.Errorf("field %s is %q: this function rotates MySQL and MariaDB (%s)", layout.Engine, engine, strings.Join(engines, ", ")))
	}
	a.password, err = d.Text(layout.Password)
	switch {
	case err != nil:
		faults = append(faults, err)
	case a.password == "":
		faults = append(faults, fmt.Errorf("field %s is empty: store the account's current password there (MySQL cannot retain an empty one)", layout.Password))
	case strings.ContainsRune(a.password, 0):
		faults = append(faults, fmt.Errorf("field %s contains a NUL character, which MySQL accepts in no password", layout.Password))
	}
	if layout.Port != "" {
		port, err := d.Integer(layout.Port)
		switch {
		case errors.Is(err, document.ErrMissing):
		case err != nil:
			faults = append(faults, err)
		case port < 1 || port > 65535:
			faults = append(faults, fmt.Errorf("field %s is %d, which is not a port", layout.Port, port))
		default:
			a.port = port
		}
	}
	return a, errors.Join(faults...)
}

// hostName is what a host's name has. Underscores are in names of Docker's.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// checkHost says what is wrong with a host, and what to write instead. "": nothing.
func checkHost(host string) string {
	if host == "" || hostName.MatchString(host) || net.ParseIP(strings.SplitN(host, "%", 2)[0]) != nil {
		return ""
	}
	name, port, err := net.SplitHostPort(host)
	inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	switch {
	case err == nil && port != "" && strings.Trim(port, "0123456789") == "" && (hostName.MatchString(name) || net.ParseIP(name) != nil):
		return "write the host only, and the port in a field of its own (or DATABASE_PORT)"
	case net.ParseIP(inner) != nil:
		return "write an IPv6 address without brackets"
	}
	return "that is not a host: write only its name or address"
}

// engines are the values of AWS's field "engine" that speak MySQL's protocol.
var engines = []string{"mysql", "aurora-mysql", "aurora", "mariadb"}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// locate fills in where the server is. It asks RDS only for a missing host, so no permission to
// ask is needed if the host is known.
func (k *Kind) locate(ctx context.Context, a account) (account, error) {
	if a.host == "" && k.config.Endpoint == "" {
		db, err := k.config.RDS.Named(ctx, a.instance)
		if err != nil {
			return account{}, fmt.Errorf("ask RDS for the host of %s, since neither the secret nor DATABASE_HOST names it: %w", a.instance, err)
		}
		a.host, a.name = db.Host, first(a.name, db.Name)
		if a.port == 0 {
			a.port = db.Port
		}
	}
	return k.withEndpoint(a), nil
}

// withEndpoint fills in what the settings say where the document says nothing.
func (k *Kind) withEndpoint(a account) account {
	if a.port == 0 {
		a.port = DefaultPort
	}
	if k.config.Endpoint == "" {
		return a
	}
	host, port, err := net.SplitHostPort(k.config.Endpoint)
	if err != nil { // no port
		host, port = k.config.Endpoint, strconv.Itoa(a.port)
	}
	a.endpoint, a.host = net.JoinHostPort(host, port), first(a.host, host)
	return a
}

// accounts reads both sides of a change, which may differ only in the password.
func (k *Kind) accounts(ctx context.Context, c credential.Change) (current, pending account, err error) {
	if current, err = k.read(c.Current); err != nil {
		return account{}, account{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if pending, err = k.read(c.Pending); err != nil {
		return account{}, account{}, fmt.Errorf("AWSPENDING: %w", err)
	}
	if current.place() != pending.place() {
		return account{}, account{}, errors.New("AWSPENDING names another host, port, user or database than AWSCURRENT, but a rotation changes only the password: start a new rotation, which begins from AWSCURRENT")
	}
	if current, err = k.locate(ctx, current); err != nil {
		return account{}, account{}, err
	}
	return current, pending.at(current), nil
}

// overlap reads both sides of an overlap. The old version may name another account or server,
// from before someone edited the secret: the current account could not retire that one's
// password.
func (k *Kind) overlap(ctx context.Context, o credential.Overlap) (current, old account, err error) {
	if current, err = k.read(o.Current); err != nil {
		return account{}, account{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if old, err = k.read(o.Old); err != nil {
		return account{}, account{}, fmt.Errorf("the old version: %w", err)
	}
	if k.target(current) != k.target(old) {
		return account{}, account{}, fmt.Errorf("the old version is for %s, and AWSCURRENT for %s: remove the old password by hand (ALTER USER … DISCARD OLD PASSWORD), then remove the label of that version", old, current)
	}
	if current, err = k.locate(ctx, current); err != nil {
		return account{}, account{}, err
	}
	return current, old.at(current), nil
}
