// Package loopbacktls makes certificates for servers on loopback: a CA of their own, and a certificate that it signed, good for
// 127.0.0.1, ::1 and localhost.
package loopbacktls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The PEM files that Write writes: the CA, the server's certificate, and its key.
const (
	CAFile   = "ca.pem"
	CertFile = "server-cert.pem"
	KeyFile  = "server-key.pem"
)

// A Config holds the two sides' settings.
type Config struct {
	Client *tls.Config // trusts the CA and nothing else; connects to 127.0.0.1
	Server *tls.Config // presents the certificate
}

// Write makes a CA and a certificate, and writes them to dir, which it creates. The CA's key is not kept.
func Write(dir string) (*Config, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}

	// A day before now allows for clocks that differ, as between a machine and its containers' virtual machine.
	from, until := time.Now().AddDate(0, 0, -1), time.Now().AddDate(1, 0, 0)
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "mautic-rotation loopback CA"},
		NotBefore:             from,
		NotAfter:              until,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "mautic-rotation loopback server"},
		NotBefore:    from,
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	leafPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})

	// Readable by all, so that a server in a container, which runs as another user, can read a directory that is mounted there.
	// Whoever wants the key kept from others on this machine puts dir into a directory that is closed to them.
	err = os.Mkdir(dir, 0o755)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{CAFile: caPEM, CertFile: leafPEM, KeyFile: keyPEM} {
		err := os.WriteFile(filepath.Join(dir, name), text, 0o644)
		if err != nil {
			return nil, err
		}
	}

	certificate, err := tls.X509KeyPair(leafPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(caPEM)
	return &Config{
		Client: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "127.0.0.1",
			// Clients on loopback log in thousands of times, with the race detector on: handshakes are most of what they cost.
			// MySQL has no post-quantum key exchange, and would ask for a second hello.
			CurvePreferences:   []tls.CurveID{tls.CurveP256},
			ClientSessionCache: tls.NewLRUClientSessionCache(0),
		},
		Server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}, nil
}
