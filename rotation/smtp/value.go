package smtp

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"mautic-rotation/rotation/copies"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Value is the access key's id and the password, for the server that the
// document or a setting names.
func (k *Kind) Value(d document.Document) (credential.Value, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return credential.Value{}, false, err
	}
	c, err := k.account(d)
	if err != nil {
		return credential.Value{}, false, err
	}
	return credential.Value{Target: c.at.target(), Secret: fmt.Sprintf("%q %q", c.keyID, c.password)}, true, nil
}

// Where is the password.
func (k *Kind) Where() string { return string(k.config.Layout.Password) }

// Login is the access key's id and the SMTP password that is derived from it.
func (k *Kind) Login(d document.Document) (copies.Login, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return copies.Login{}, false, err
	}
	c, err := k.account(d)
	return copies.Login{Name: c.keyID, Secret: c.password}, err == nil, err
}

// target names what accepts the credential: SES in a region, whichever of its endpoints and ports
// is used, or otherwise the server.
func (e endpoint) target() string {
	host := strings.ToLower(strings.TrimSuffix(e.host, "."))
	if region := regionOf(host); region != "" {
		return "SES in " + region
	}
	return net.JoinHostPort(host, strconv.Itoa(e.port)) + " " + e.region
}
