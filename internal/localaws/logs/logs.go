// Package logs stands in for AWS's CloudWatch Logs: groups of streams of messages, which functions write and an operator reads.
//
// FilterLogEvents takes the patterns of [ParsePattern], and StartQuery the queries of [ParseQuery]; both refuse what they do not
// have. A query is answered once it has been asked for a second time, as Insights needs its time.
//
//	srv.Logs.Put("/aws/lambda/rotate", "stream", srv.Clock().Now(), `{"notice":"done"}`)
//
// Messages are there at once, where AWS takes seconds. What it does not do: messages that come by an operation, retention,
// metric filters, subscriptions and Live Tail.
package logs

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Options of a StandIn.
type Options struct {
	// PageSize is how many messages FilterLogEvents looks at for one reply, so that a page may be empty though there are
	// more, as AWS's may. 0 means as many as the request asks for, 10,000 if it does not.
	PageSize int
}

// Message is a message in a log group.
type Message struct {
	ID     string
	Stream string
	At     time.Time // to the millisecond
	Text   string
}

// StandIn is CloudWatch Logs.
type StandIn struct {
	env  host.Env
	opts Options

	mu      sync.Mutex
	groups  map[string]*group // by name
	deleted map[string]bool   // names of groups that an operation deleted
	queries map[string]*query // by id
	lastID  int
}

type group struct {
	name     string
	created  time.Time
	tags     map[string]string
	messages []Message // by time, and at the same time in the order in which they came
	bytes    int
}

// New makes a stand-in without log groups.
func New(env host.Env, o Options) *StandIn {
	return &StandIn{env: env, opts: o, groups: map[string]*group{}, deleted: map[string]bool{}, queries: map[string]*query{}}
}

// CreateLogGroup makes a log group, which a function would make with its first message. One that is there stays as it is.
func (s *StandIn) CreateLogGroup(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group(name)
}

// group returns a log group, which it makes if it is not there. The caller holds the lock.
func (s *StandIn) group(name string) *group {
	g := s.groups[name]
	if g == nil {
		g = &group{name: name, created: s.env.Now()}
		s.groups[name] = g
	}
	return g
}

// Put appends a message to a stream of a log group, both of which are made if they are not there. A group that an operation has
// deleted is not made again: that takes a permission which the function's role need not have.
func (s *StandIn) Put(name, stream string, at time.Time, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted[name] {
		return
	}
	g := s.group(name)
	s.lastID++
	m := Message{ID: eventID(s.lastID), Stream: stream, At: at.Truncate(time.Millisecond), Text: message}
	i, _ := slices.BinarySearchFunc(g.messages, m, func(a, b Message) int { return cmp.Or(a.At.Compare(b.At), -1) })
	g.messages = slices.Insert(g.messages, i, m)
	g.bytes += len(message)
}

// Messages returns what a log group holds, in order of time; nothing if it is not there.
func (s *StandIn) Messages(name string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[name]; g != nil {
		return slices.Clone(g.messages)
	}
	return nil
}

// within cuts out the messages from a time to a time, both included. The zero time is no limit.
func (g *group) within(from, to time.Time) []Message {
	var found []Message
	for _, m := range g.messages {
		if (from.IsZero() || !m.At.Before(from)) && (to.IsZero() || !m.At.After(to)) {
			found = append(found, m)
		}
	}
	return found
}

func invalid(message string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterException", Message: message}
}
