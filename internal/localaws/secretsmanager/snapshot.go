package secretsmanager

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Snapshot is all that there is in a Core at one moment, but for when values were retrieved. Taking one and going back to it
// is cheap: a secret's state is never changed once stored.
type Snapshot struct{ records []snapshotted }

type snapshotted struct {
	record *record
	state  *secret
}

// Snapshot tells what there is. A rotation under way is no part of it.
func (c *Core) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Snapshot{make([]snapshotted, len(c.records))}
	for i, r := range c.records {
		s.records[i] = snapshotted{r, r.state}
	}
	return s
}

// Restore has the Core be as it was; no rotation is under way then.
func (c *Core) Restore(s Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = c.records[:0]
	for _, r := range s.records {
		r.record.state, r.record.rotation = r.state, nil
		r.record.before, r.record.staleReads = nil, 0
		c.records = append(c.records, r.record)
	}
}

// AppendDigest appends to b what tells the state of the Core from any other: equal states have equal digests.
func (c *Core) AppendDigest(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.records {
		b = append(b, r.state.digest()...)
	}
	return b
}

// AppendDigest appends to b what [Core.AppendDigest] would, of the Core as it was.
func (s Snapshot) AppendDigest(b []byte) []byte {
	for _, r := range s.records {
		b = append(b, r.state.digest()...)
	}
	return b
}

// digest is the hash of all that can be read of the secret, computed once.
func (s *secret) digest() []byte {
	if s.sum != nil {
		return s.sum
	}
	b := make([]byte, 0, 2048) // as much as most take
	text := func(t string) {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	moment := func(t time.Time) { b = binary.AppendVarint(b, t.UnixMilli()) }
	text(s.arn)
	text(s.owningService)
	for _, t := range []time.Time{s.changed, s.rotated, s.deletion, s.rotation.window.start, s.rotation.window.end} {
		moment(t)
	}
	if s.rotation.enabled {
		text(s.rotation.function)
	}
	for _, v := range s.versions {
		text(v.id)
		moment(v.created)
		b = binary.AppendUvarint(b, uint64(len(v.labels)))
		for _, l := range v.labels {
			text(l)
		}
		if v.value.text != nil {
			text(*v.value.text)
		}
		text(string(v.value.binary))
	}
	sum := sha256.Sum256(b)
	s.sum = sum[:]
	return s.sum
}
