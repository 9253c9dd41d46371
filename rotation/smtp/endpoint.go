package smtp

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"mautic-rotation/rotation/document"
)

// endpoint is where to log in.
type endpoint struct {
	host   string
	port   int
	region string // "": not known
}

func (e endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// same reports whether two endpoints are the same server.
func (e endpoint) same(other endpoint) bool {
	return strings.EqualFold(e.host, other.host) && e.port == other.port && e.region == other.region
}

// endpoint returns where d's credential is used.
func (k *Kind) endpoint(d document.Document) (e endpoint, err error) {
	if e.host, err = textOrNone(d, k.config.Layout.Host); err != nil {
		return endpoint{}, err
	}
	if e.host == "" {
		e.host = k.config.Host
	}
	if e.host == "" {
		e.host = hostIn(k.config.Region)
	}
	if e.host == "" {
		return endpoint{}, fmt.Errorf("the SMTP server is not known: store its host as field %s, or set SMTP_HOST or SMTP_REGION", k.config.Layout.Host)
	}
	e.port, err = d.Integer(k.config.Layout.Port)
	switch {
	case errors.Is(err, document.ErrMissing):
		e.port = k.config.Port
	case err != nil:
		return endpoint{}, err
	}
	if e.port < 1 || e.port > 65535 {
		return endpoint{}, fmt.Errorf("field %s is %d, which is not a port", k.config.Layout.Port, e.port)
	}
	if e.region = regionOf(e.host); e.region == "" {
		e.region = k.config.Region
	}
	return e, nil
}

// sesHost matches the names of SES's SMTP endpoints, in public DNS and within a VPC.
var sesHost = regexp.MustCompile(`^(?:[a-z0-9.-]+\.)?email-smtp(?:-fips)?\.([a-z]{2}[a-z0-9-]*-\d+)\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$`)

// regionOf returns the region in the name of an SES SMTP endpoint; "" for any other host.
func regionOf(host string) string {
	if m := sesHost.FindStringSubmatch(strings.ToLower(host)); m != nil {
		return m[1]
	}
	return ""
}

// hostIn returns SES's endpoint in a region.
func hostIn(region string) string {
	switch {
	case region == "":
		return ""
	case strings.HasPrefix(region, "cn-"):
		return "email-smtp." + region + ".amazonaws.com.cn"
	default:
		return "email-smtp." + region + ".amazonaws.com"
	}
}
