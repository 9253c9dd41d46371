package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/load"
	"mautic-rotation/rotation/document"
)

// The time between two calls of a caller, and how many callers there are: integrations
// have a fixed API client id and key, jobs read them from the secret each time.
const (
	callInterval = 200 * time.Millisecond
	integrations = 2
	jobs         = 1
)

// callers are programs that use Mautic's API while the secret rotates.
type callers struct {
	d    *demo
	load *load.Load

	// clock is locked for reading during a call, so that AWS's clock is not moved
	// forward between getting a token and using it.
	clock sync.RWMutex

	mu    sync.Mutex
	held  pair // by the integrations
	calls map[pair]calls
}

// calls counts the calls made with one pair.
type calls struct {
	made, failed int
	last         error // why the last one failed
}

// call starts the callers, and returns once each of them has made a call. end stops
// them.
func (d *demo) call(ctx context.Context) (err error) {
	c := &callers{d: d, calls: map[pair]calls{}}
	if err := c.takeUp(ctx); err != nil {
		return err
	}
	var workers []load.Worker
	for i := range integrations {
		workers = append(workers, load.Worker{Name: fmt.Sprint("integration ", i+1), Use: func(ctx context.Context) error {
			return c.once(ctx, c.holds)
		}})
	}
	for i := range jobs {
		workers = append(workers, load.Worker{Name: fmt.Sprint("job ", i+1), Use: func(ctx context.Context) error {
			return c.once(ctx, c.read)
		}})
	}
	d.callers = c
	c.load, err = load.Start(ctx, callInterval, workers...)
	return err
}

// holds returns the pair that the integrations have.
func (c *callers) holds(context.Context) (pair, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held, nil
}

// takeUp gives the integrations the current pair, as a person does by hand.
func (c *callers) takeUp(ctx context.Context) error {
	current, err := c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = current
	return err
}

// read gets the current pair from the secret, as a job does when it starts.
func (c *callers) read(ctx context.Context) (pair, error) {
	out, err := c.d.Secrets.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &c.d.SecretARN})
	if err != nil {
		return pair{}, err
	}
	doc, err := document.Parse(*out.SecretString)
	return pairIn(doc), err
}

// once makes a call, and counts it for the pair that was used.
func (c *callers) once(ctx context.Context, find func(context.Context) (pair, error)) error {
	c.clock.RLock()
	defer c.clock.RUnlock()
	p, err := find(ctx)
	served := false
	if err == nil {
		served, err = c.d.callAPI(ctx, p)
	}
	if ctx.Err() != nil {
		return ctx.Err() // stopped during the call
	}
	if err == nil && !served {
		err = fmt.Errorf("API client %s was refused", p.client)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.calls[p]
	n.made++
	if err != nil {
		n.failed++
		n.last = err
	}
	c.calls[p] = n
	return err
}

// end stops the callers. The report counts failed calls; here it is an error only if a
// caller made no call at all.
func (c *callers) end() error {
	if err := c.load.Stop(); errors.Is(err, load.ErrNothingObserved) {
		return fmt.Errorf("API callers: %w", err)
	}
	return nil
}

// counted is how many calls were made with each pair.
func (c *callers) counted() map[pair]calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// total is how many calls were made, and how many failed.
func (c *callers) total() (made, failed int) {
	for _, n := range c.counted() {
		made += n.made
		failed += n.failed
	}
	return made, failed
}
