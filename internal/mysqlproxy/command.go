package mysqlproxy

import (
	"encoding/binary"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// The first byte of a command.
const (
	comQuit             = 0x01
	comInitDB           = 0x02
	comQuery            = 0x03
	comPing             = 0x0e
	comStmtPrepare      = 0x16
	comStmtExecute      = 0x17
	comStmtSendLongData = 0x18
	comStmtClose        = 0x19
	comResetConnection  = 0x1f
)

// command reads a command and acts on it.
func (s *session) command() error {
	p, err := s.client.read()
	if err != nil {
		return err
	}
	if len(p.payload()) == 0 {
		return errMalformed
	}
	code, text := p.payload()[0], string(p.payload()[1:])

	switch code {
	case comQuery:
		return s.call(Call{Kind: Query, Text: s.redact(text)}, p.sequence(), s.asking(p, s.readResults))
	case comPing:
		return s.call(Call{Kind: Ping}, p.sequence(), s.asking(p, s.readResults))
	case comInitDB:
		return s.call(Call{Kind: Use, Text: "USE " + text}, p.sequence(), s.asking(p, s.readResults))
	case comResetConnection:
		return s.call(Call{Kind: Reset}, p.sequence(), s.asking(p, s.readResults))

	case comStmtPrepare:
		text = s.redact(text)
		return s.call(Call{Kind: Prepare, Text: text}, p.sequence(), s.asking(p, func() ([]packet, error) {
			return s.readPrepared(text)
		}))
	case comStmtExecute:
		if len(text) < 4 {
			return errMalformed
		}
		statement := s.prepared[binary.LittleEndian.Uint32([]byte(text))]
		return s.call(Call{Kind: Execute, Text: statement}, p.sequence(), s.asking(p, s.readResults))

	case comStmtSendLongData, comStmtClose:
		return s.upstream.write(p) // the server does not reply to these
	case comQuit:
		_ = s.upstream.write(p) // the session ends either way
		return errClosed
	default:
		return s.client.write(newError(p.sequence()+1, &mysql.MySQLError{
			Number:  1047, // ER_UNKNOWN_COM_ERROR
			Message: fmt.Sprintf("The proxy does not know command 0x%02x", code),
		}))
	}
}

// asking returns a function that puts a command to the server and reads the reply.
func (s *session) asking(command packet, readReply func() ([]packet, error)) func() ([]packet, error) {
	return func() ([]packet, error) {
		err := s.upstream.write(command)
		if err != nil {
			return nil, err
		}
		return readReply()
	}
}

func (s *session) redact(sql string) string {
	return redact(sql, s.status&statusNoBackslashEscapes == 0)
}

// readResults reads a reply: an OK, an error, or rows; or several in a row, as a procedure gives.
func (s *session) readResults() ([]packet, error) {
	var reply []packet
	for {
		p, err := s.upstream.read()
		if err != nil {
			return nil, err
		}
		reply = append(reply, p)
		switch {
		case p.is(errHeader):
			return reply, nil
		case p.is(okHeader):
			s.status, err = okStatus(p)
			if err != nil {
				return nil, err
			}
		default: // the number of columns; their descriptions and the rows are a list each
			for range 2 {
				list, err := s.readList()
				if err != nil {
					return nil, err
				}
				reply = append(reply, list...)
				if list[len(list)-1].is(errHeader) {
					return reply, nil
				}
			}
		}
		if s.status&statusMoreResults == 0 {
			return reply, nil
		}
	}
}

// readList reads packets up to an EOF, or an error.
func (s *session) readList() ([]packet, error) {
	var list []packet
	for {
		p, err := s.upstream.read()
		if err != nil {
			return nil, err
		}
		list = append(list, p)
		if p.is(errHeader) {
			return list, nil
		}
		if p.isEOF() {
			s.status, err = eofStatus(p)
			return list, err
		}
	}
}

// readPrepared reads the reply to a prepare, and keeps the statement's text for when it is executed.
func (s *session) readPrepared(text string) ([]packet, error) {
	p, err := s.upstream.read()
	if err != nil {
		return nil, err
	}
	reply := []packet{p}
	if p.is(errHeader) {
		return reply, nil
	}
	payload := p.payload()
	if len(payload) < 9 {
		return nil, errMalformed
	}
	s.prepared[binary.LittleEndian.Uint32(payload[1:])] = text
	for _, count := range []uint16{
		binary.LittleEndian.Uint16(payload[5:]), // columns
		binary.LittleEndian.Uint16(payload[7:]), // parameters
	} {
		if count == 0 {
			continue
		}
		list, err := s.readList()
		if err != nil {
			return nil, err
		}
		reply = append(reply, list...)
	}
	return reply, nil
}
