package mysqlproxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"

	"github.com/go-sql-driver/mysql"
)

// Bits of the capabilities that both sides announce.
const (
	capCompress         = 1 << 5
	capLocalFiles       = 1 << 7
	capSSL              = 1 << 11
	capDeprecateEOF     = 1 << 24
	capOptionalMetadata = 1 << 25
	capZstdCompression  = 1 << 26
	capQueryAttributes  = 1 << 27
	capProgress         = 1 << 29 // MariaDB's: reports on the way, in packets that begin as errors do
)

// hiddenCapabilities are those that the proxy hides from clients. With DEPRECATE_EOF a list would end in one of two ways, each
// with a packet of its own; the others change packets that the proxy reads.
const hiddenCapabilities = capCompress | capLocalFiles | capDeprecateEOF | capOptionalMetadata | capZstdCompression |
	capQueryAttributes | capProgress

// handshake relays the server's greeting and the client's request for TLS, changes to TLS on both sides, and returns the client's
// first packet under TLS, which begins its login.
func (s *session) handshake() (packet, error) {
	greeting, err := s.upstream.read()
	if err != nil {
		return nil, err
	}
	if greeting.is(errHeader) {
		// Too many connections, or a host that is blocked.
		return nil, s.end(greeting)
	}
	s.status, err = hideCapabilities(greeting)
	if err != nil {
		return nil, err
	}
	err = s.client.write(greeting)
	if err != nil {
		return nil, err
	}

	request, err := s.client.read()
	if err != nil {
		return nil, err
	}
	if len(request.payload()) < 4 {
		return nil, errMalformed
	}
	if binary.LittleEndian.Uint32(request.payload())&capSSL == 0 {
		const secureTransportRequired = 3159 // as most servers answer
		return nil, s.end(newError(request.sequence()+1, &mysql.MySQLError{
			Number:  secureTransportRequired,
			Message: "Connections through the proxy take TLS: have the client verify the proxy's CA",
		}))
	}
	err = s.upstream.write(request)
	if err != nil {
		return nil, err
	}

	upstream := tls.Client(s.upstream.Conn, s.proxy.upstreamTLS)
	err = upstream.HandshakeContext(s.proxy.ctx)
	if err != nil {
		return nil, err
	}
	client := tls.Server(s.client.Conn, s.proxy.tls.Server)
	err = client.HandshakeContext(s.proxy.ctx)
	if err != nil {
		return nil, err
	}
	s.upstream, s.client = wire{upstream}, wire{client}
	return s.client.read()
}

// end sends the client a last packet.
func (s *session) end(p packet) error {
	err := s.client.write(p)
	if err != nil {
		return err
	}
	return errClosed
}

// hideCapabilities takes what the proxy cannot follow out of a server's greeting, and returns the session's status.
func hideCapabilities(greeting packet) (uint16, error) {
	payload := greeting.payload()
	version := bytes.IndexByte(payload, 0) // ends the version, which follows one byte of protocol
	if version < 0 {
		return 0, errMalformed
	}
	rest := payload[version+1:]
	const (
		lower    = 4 + 8 + 1 // after the connection's number, half the challenge, and a zero
		statusAt = lower + 2 + 1
		upper    = statusAt + 2
		extended = upper + 2 + 1 + 6 // MariaDB's own capabilities
		end      = extended + 4
	)
	if len(rest) < end {
		return 0, errMalformed
	}
	capabilities := uint32(binary.LittleEndian.Uint16(rest[lower:])) | uint32(binary.LittleEndian.Uint16(rest[upper:]))<<16
	capabilities &^= hiddenCapabilities
	binary.LittleEndian.PutUint16(rest[lower:], uint16(capabilities))
	binary.LittleEndian.PutUint16(rest[upper:], uint16(capabilities>>16))
	clear(rest[extended:end])
	return binary.LittleEndian.Uint16(rest[statusAt:]), nil
}
