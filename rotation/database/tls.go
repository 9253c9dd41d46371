package database

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"os"
	"sync"
)

// rdsRoots are the certificate authorities of RDS in all regions, which no
// operating system ships: AWS's global-bundle.pem.
//
//go:embed rds-root-cas.pem
var rdsRoots []byte

// lazyTLSConfig returns a function that makes the configuration once, when it
// is first needed: parsing the RDS roots costs more than the rest of a start.
func lazyTLSConfig(caFile string) func() (*tls.Config, error) {
	return sync.OnceValues(func() (*tls.Config, error) {
		roots, err := certificateRoots(caFile)
		if err != nil {
			return nil, err
		}
		return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
	})
}

func certificateRoots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // an image without any: the RDS roots do
		}
		roots.AppendCertsFromPEM(rdsRoots)
		return roots, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // G304: the path is the operator's setting
	if err != nil {
		return nil, fmt.Errorf("read the roots of DATABASE_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("DATABASE_CA_FILE %s holds no certificate in PEM", caFile)
	}
	return roots, nil
}
