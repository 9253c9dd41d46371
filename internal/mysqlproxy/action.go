package mysqlproxy

import (
	"context"

	"github.com/go-sql-driver/mysql"
)

// A Kind is what a call asks of the server.
type Kind string

// The kinds of call.
const (
	Login   Kind = "login" // a new connection's
	Query   Kind = "query"
	Prepare Kind = "prepare"
	Execute Kind = "execute" // a prepared statement
	Use     Kind = "use"     // another database
	Ping    Kind = "ping"
	Reset   Kind = "reset" // the session
)

// A Call is one thing that a client asks the server: a login, a statement. Ending a session or a prepared statement is none.
type Call struct {
	Conn int    // the number of the connection, from 1 in the order in which they were made
	Kind Kind   //
	Text string // the statement of a query, prepare, execute or use, each literal replaced by '…': it holds no passwords
	User string // who logs in, of a login; who is logged in, of the others
}

// A Hook decides what happens to a call. It runs before the call reaches the server, which gets the call when the hook returns;
// so code that is to run at that point goes into the hook itself.
//
// Hooks of different connections run at the same time. ctx ends when the proxy is closed; a hook that waits must stop then.
type Hook func(ctx context.Context, call Call) Action

// An Action is what happens to a call. The zero Action lets it pass.
type Action struct {
	Fault Fault

	// Error is what Refuse answers. Nil means error 1105, ER_UNKNOWN_ERROR.
	Error *mysql.MySQLError

	// Release, when closed, lets a Late call reach the server.
	Release <-chan struct{}

	// After, if it is not nil, runs when the server's whole reply has been read, and before the client gets any of it. err is the
	// error that the server replied with, as a *mysql.MySQLError; nil if it did what was asked; or why there is no reply. It is
	// not called when the call does not reach the server (Refuse, Drop, or Late and never released).
	After func(err error)
}

// A Fault is what goes wrong with a call.
type Fault int

const (
	// Pass is no fault.
	Pass Fault = iota

	// Refuse answers with an error; the call does not reach the server.
	Refuse

	// Drop closes the connection; the call does not reach the server.
	Drop

	// LoseReply closes the connection when the server has done what was asked and the client is about to learn of it.
	LoseReply

	// Late closes the client's connection at once, and has the call reach the server when Release is closed. So it is with a
	// client that dies while its statement waits for a lock: the server executes it later, perhaps after the client's
	// successor has come and gone. After tells when it is done. A login cannot be late, as it takes the client to answer the
	// server: Late is Drop then.
	Late
)
