package database

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// rdsRoots are the certificate authorities of RDS in all regions, which no
// operating system ships: AWS's global-bundle.pem.
//
//go:embed rds-root-cas.pem
var rdsRoots []byte

// How a connection is protected: the values of Config.TLS. There is none like
// the driver's "preferred", which verifies nothing and falls back to plaintext
// for whoever is in between.
const (
	verifyIdentity = "VERIFY_IDENTITY" // the certificate is signed by a trusted root, and for this host
	verifyCA       = "VERIFY_CA"       // it is signed by a trusted root
	tlsDisabled    = "DISABLED"        // plaintext
)

var tlsModes = []string{verifyIdentity, verifyCA, tlsDisabled}

// ParseTLS checks a value of Config.TLS.
func ParseTLS(s string) error {
	switch s {
	case "", verifyIdentity, verifyCA, tlsDisabled:
		return nil
	}
	return fmt.Errorf("%q is not one of %s", s, strings.Join(tlsModes, ", "))
}

// lazyTLSConfig returns a function that makes the configuration once, when it
// is first needed: parsing the RDS roots costs more than the rest of a start.
// No configuration, and no error, means plaintext.
func lazyTLSConfig(mode, caFile string) func() (*tls.Config, error) {
	return sync.OnceValues(func() (*tls.Config, error) {
		if err := ParseTLS(mode); err != nil {
			return nil, fmt.Errorf("DATABASE_TLS: %w", err)
		}
		if mode == tlsDisabled {
			return nil, nil
		}
		roots, err := certificateRoots(caFile)
		if err != nil {
			return nil, err
		}
		config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		if mode == verifyCA {
			verifyChainOnly(config, roots)
		}
		return config, nil
	})
}

// verifyChainOnly skips verification of the server's name, and nothing else. Go can skip the name
// only together with all of its own verification (InsecureSkipVerify), so the chain is verified
// here, in each handshake, including resumed ones. It is for servers with self-signed
// certificates, which name no host and never match.
func verifyChainOnly(config *tls.Config, roots *x509.CertPool) {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server sent no certificate")
		}
		intermediates := x509.NewCertPool()
		for _, certificate := range state.PeerCertificates[1:] {
			intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
}

// defaultRoots are the system's and those of RDS, parsed once.
var defaultRoots = sync.OnceValue(func() *x509.CertPool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // an image without any: the RDS roots do
	}
	roots.AppendCertsFromPEM(rdsRoots)
	return roots
})

func certificateRoots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return defaultRoots(), nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // G304: the path is the operator's setting
	if err != nil {
		return nil, fmt.Errorf("read the certificates in DATABASE_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("DATABASE_CA_FILE %s contains no PEM certificate", caFile)
	}
	return roots, nil
}
