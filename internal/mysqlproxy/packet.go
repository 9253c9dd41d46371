package mysqlproxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

// headerSize is the size of a packet's header: three bytes of length, one of sequence number.
const headerSize = 4

// maxPayload is the length that says that another packet continues this one.
const maxPayload = 1<<24 - 1

// The first byte of a reply's packet.
const (
	okHeader       = 0x00
	authMoreHeader = 0x01 // in a login
	eofHeader      = 0xfe // or, in a login, a switch to another plugin
	errHeader      = 0xff
)

// Bits of the status that comes with OK and EOF packets, and with the greeting.
const (
	statusMoreResults        = 0x0008
	statusNoBackslashEscapes = 0x0200
)

// errMalformed says that a packet is not what the protocol has at this point.
var errMalformed = errors.New("malformed packet")

// A packet is a packet with its header. Packets are relayed as they came: both sides count them alike.
type packet []byte

func (p packet) payload() []byte { return p[headerSize:] }
func (p packet) sequence() byte  { return p[3] }

// is tells whether the payload starts with that byte.
func (p packet) is(header byte) bool { return len(p) > headerSize && p[headerSize] == header }

// isEOF tells whether the packet ends a list. A row can start with the same byte, but is longer then.
func (p packet) isEOF() bool { return p.is(eofHeader) && len(p.payload()) < 9 }

// newPacket makes a packet.
func newPacket(sequence byte, payload []byte) packet {
	p := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	p[3] = sequence
	return append(p, payload...)
}

// newError makes an error packet.
func newError(sequence byte, e *mysql.MySQLError) packet {
	state := e.SQLState
	if state == [5]byte{} {
		state = [5]byte([]byte("HY000"))
	}
	payload := binary.LittleEndian.AppendUint16([]byte{errHeader}, e.Number)
	payload = append(payload, '#')
	payload = append(payload, state[:]...)
	payload = append(payload, e.Message...)
	return newPacket(sequence, payload)
}

// parseError reads an error packet.
func parseError(p packet) error {
	payload := p.payload()
	if len(payload) < 3 {
		return errMalformed
	}
	e := &mysql.MySQLError{Number: binary.LittleEndian.Uint16(payload[1:])}
	message := payload[3:]
	// The greeting's place can hold an error without a state: the client has not said yet that it knows them.
	if len(message) >= 6 && message[0] == '#' {
		copy(e.SQLState[:], message[1:6])
		message = message[6:]
	}
	e.Message = string(message)
	return e
}

// okStatus returns the status in an OK packet.
func okStatus(p packet) (uint16, error) {
	rest := p.payload()[1:]
	for range 2 { // affected rows, last insert id
		n, ok := integerSize(rest)
		if !ok {
			return 0, errMalformed
		}
		rest = rest[n:]
	}
	if len(rest) < 2 {
		return 0, errMalformed
	}
	return binary.LittleEndian.Uint16(rest), nil
}

// eofStatus returns the status in an EOF packet.
func eofStatus(p packet) (uint16, error) {
	if len(p.payload()) < 5 {
		return 0, errMalformed
	}
	return binary.LittleEndian.Uint16(p.payload()[3:]), nil
}

// integerSize returns the size of the length-encoded integer at the start of b.
func integerSize(b []byte) (int, bool) {
	if len(b) == 0 {
		return 0, false
	}
	size := 1
	switch b[0] {
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	}
	return size, len(b) >= size
}

// A wire carries packets. It does not read ahead, as the connection under it changes to TLS.
type wire struct {
	net.Conn
}

// read reads a packet.
func (w wire) read() (packet, error) {
	var header [headerSize]byte
	_, err := io.ReadFull(w, header[:])
	if err != nil {
		return nil, err
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length == maxPayload {
		return nil, fmt.Errorf("a packet of 16 MB or more: the proxy is not made for it")
	}
	p := make(packet, headerSize+length)
	copy(p, header[:])
	_, err = io.ReadFull(w, p[headerSize:])
	if err != nil {
		return nil, err
	}
	return p, nil
}

// write writes packets.
func (w wire) write(packets ...packet) error {
	for _, p := range packets {
		_, err := w.Write(p)
		if err != nil {
			return err
		}
	}
	return nil
}
