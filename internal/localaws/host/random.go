package host

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Alphabets for [Random.Text].
const (
	Lowercase = "abcdefghijklmnopqrstuvwxyz"
	Uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	Letters   = Uppercase + Lowercase
	Digits    = "0123456789"
	Hex       = "0123456789abcdef"
	Base32    = Uppercase + "234567" // the characters of IAM's ids
)

// Random draws ids and passwords from one source of random bytes. It is safe for concurrent use.
type Random struct {
	mu   sync.Mutex
	from io.Reader
}

// NewRandom draws from the reader, which must not fail or end, or from crypto/rand if it is nil.
func NewRandom(from io.Reader) *Random {
	if from == nil {
		from = rand.Reader
	}
	return &Random{from: from}
}

func (r *Random) read(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := io.ReadFull(r.from, b); err != nil {
		panic(fmt.Errorf("localaws: the source of random bytes: %w", err))
	}
}

// UUID returns a random UUID (version 4).
func (r *Random) UUID() string {
	var b [16]byte
	r.read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Text returns n random characters of an alphabet whose length divides 256 or nearly so.
func (r *Random) Text(n int, alphabet string) string {
	b := make([]byte, n)
	r.read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// Below returns a random number from 0 to n-1.
func (r *Random) Below(n int) int {
	var b [8]byte
	r.read(b[:])
	return int(binary.BigEndian.Uint64(b[:]) % uint64(n)) // the bias of 64 bits is of no matter here
}
