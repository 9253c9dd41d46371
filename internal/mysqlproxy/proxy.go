// Package mysqlproxy stands between clients and a server, MySQL or MariaDB, for tests of what happens when something goes wrong
// between the two. It shows every login and every statement to a hook, in order, and the hook decides: let it pass, refuse it, drop
// the connection before or after the server has acted, or have the server act only when the client is long gone.
//
//	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: server.Addr(), UpstreamTLS: server.TLSConfig()})
//	…
//	proxy.SetHook(func(ctx context.Context, call mysqlproxy.Call) mysqlproxy.Action {
//		if strings.HasPrefix(call.Text, "ALTER USER") {
//			return mysqlproxy.Action{Fault: mysqlproxy.LoseReply}
//		}
//		return mysqlproxy.Action{}
//	})
//
// Clients must use TLS, and can verify the proxy's certificate as they would the server's; the proxy verifies the server's. It
// speaks as much of the protocol as it takes to tell where a reply ends, and hides from clients those of the server's
// capabilities that would make this harder: compression, files from the client, query attributes and the like.
//
// The server does not notice that a client goes away during a call: a call that reached the proxy is finished first. On a direct
// connection a server may notice while it waits, as in GET_LOCK.
package mysqlproxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"mautic-rotation/internal/mysqlserver/loopbacktls"
)

// Options say where to relay to.
type Options struct {
	Upstream    string      // the server's address, "host:port"
	UpstreamTLS *tls.Config // how to verify it
	Hook        Hook        // nil lets everything pass
}

// A Proxy is a running proxy. Its methods may be used concurrently.
type Proxy struct {
	upstream    string
	upstreamTLS *tls.Config
	listener    net.Listener
	dir         string
	tls         *loopbacktls.Config

	ctx      context.Context // ends when the proxy is closed
	close    context.CancelFunc
	sessions sync.WaitGroup

	mu    sync.Mutex
	hook  Hook
	conns int
	calls []Call
}

// Start starts a proxy on a port of its own on 127.0.0.1.
func Start(o Options) (*Proxy, error) {
	dir, err := os.MkdirTemp("", "mautic-rotation-proxy-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the proxy: %w", err)
	}
	certificate, err := loopbacktls.Write(filepath.Join(dir, "tls"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("making the proxy's certificate: %w", err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}

	p := &Proxy{
		upstream:    o.Upstream,
		upstreamTLS: o.UpstreamTLS,
		listener:    listener,
		dir:         dir,
		tls:         certificate,
		hook:        o.Hook,
	}
	p.ctx, p.close = context.WithCancel(context.Background())
	p.sessions.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's address, "127.0.0.1:port".
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Host returns the proxy's IP address, "127.0.0.1".
func (p *Proxy) Host() string { return p.listener.Addr().(*net.TCPAddr).IP.String() }

// Port returns the proxy's port.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// CAFile returns the path of the PEM file with the CA that signed the proxy's certificate. It goes away with the proxy.
func (p *Proxy) CAFile() string { return filepath.Join(p.dir, "tls", loopbacktls.CAFile) }

// TLSConfig returns the settings of a client that verifies the proxy's certificate.
func (p *Proxy) TLSConfig() *tls.Config { return p.tls.Client.Clone() }

// SetHook sets the hook for the calls from now on; nil lets everything pass.
func (p *Proxy) SetHook(hook Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// Calls returns all calls so far, in the order in which they came in.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Close closes all connections, waits for the hooks to return, and removes the proxy's directory. A call that was late and has
// not been released never reaches the server. Close may be called more than once, but not by a hook.
func (p *Proxy) Close() error {
	p.close()
	p.listener.Close()
	p.sessions.Wait()
	return os.RemoveAll(p.dir)
}

// accept serves connections until the listener is closed.
func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns++
		number := p.conns
		p.mu.Unlock()
		p.sessions.Go(func() { p.serve(client, number) })
	}
}

// serve serves one connection.
func (p *Proxy) serve(client net.Conn, number int) {
	defer client.Close()
	upstream, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.upstream)
	if err != nil {
		return // as a client sees a server that is down behind a load balancer
	}
	defer upstream.Close()

	// Unblocks reads and writes when the proxy is closed.
	stop := context.AfterFunc(p.ctx, func() {
		client.Close()
		upstream.Close()
	})
	defer stop()

	s := &session{
		proxy:    p,
		number:   number,
		client:   wire{client},
		upstream: wire{upstream},
		prepared: map[uint32]string{},
	}
	s.run()
}

// decide records a call and asks the hook what to do with it.
func (p *Proxy) decide(call Call) Action {
	p.mu.Lock()
	p.calls = append(p.calls, call)
	hook := p.hook
	p.mu.Unlock()
	if hook == nil {
		return Action{}
	}
	return hook(p.ctx, call)
}
