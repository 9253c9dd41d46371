package smtp

import (
	"context"
	"fmt"
	"net/smtp"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

const (
	// reserve is how much of an invocation's time is left to the caller: to put things back after
	// a failed test, or to note what was done.
	reserve = 15 * time.Second
	// maxPause is the longest pause between two attempts.
	maxPause = 5 * time.Second
)

// patiently calls try until it asks for no more, or until a change of a key should be known
// everywhere.
func (k *Kind) patiently(ctx context.Context, try func() (again bool, err error)) error {
	end := time.Now().Add(k.config.Propagation)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-reserve).Before(end) {
		end = deadline.Add(-reserve)
	}
	pause := k.config.Pause
	for {
		again, err := try()
		if !again || time.Until(end) < pause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

// accepted fails unless the server accepts a credential. It waits for a key that is too new, or
// was activated too recently.
func (k *Kind) accepted(ctx context.Context, c account) error {
	return k.acceptedFor(ctx, c, nil)
}

func (k *Kind) acceptedFor(ctx context.Context, c account, then func(*smtp.Client) error) error {
	began := time.Now()
	err := k.patiently(ctx, func() (bool, error) {
		err := k.login(ctx, c, then)
		return credential.OutcomeOf(err) == credential.Denied || credential.IsTemporary(err), err
	})
	if credential.OutcomeOf(err) == credential.Denied || credential.IsTemporary(err) {
		return fmt.Errorf("tried for %s: %w", time.Since(began).Round(time.Second), err)
	}
	return err
}

// refused fails unless the server refuses a credential. It waits for a key that was deleted too
// recently.
func (k *Kind) refused(ctx context.Context, c account) error {
	return k.patiently(ctx, func() (bool, error) {
		err := k.login(ctx, c, nil)
		switch {
		case err == nil:
			return true, fmt.Errorf("the SMTP server %s still accepts the old access key %s. A deleted key may be accepted for a while; if that does not end, it belongs to an IAM user other than %s (SMTP_IAM_USER): delete it there", c.at, short(c.keyID), k.config.User)
		case credential.OutcomeOf(err) == credential.Denied:
			return false, nil
		default:
			return credential.IsTemporary(err), fmt.Errorf("see the old credential refused: %w", err)
		}
	})
}

// Test logs in with the pending credential and, if addresses are set, sends a message, since only
// that shows that the IAM user may send.
func (k *Kind) Test(ctx context.Context, c credential.Change) error {
	_, pending, err := k.accounts(c)
	if err != nil {
		return err
	}
	if k.config.TestTo == "" {
		return k.accepted(ctx, pending)
	}
	if err := k.acceptedFor(ctx, pending, k.send); err != nil {
		return err
	}
	c.Log.Info("the server has accepted a message sent with the pending credential", "to", k.config.TestTo)
	return nil
}

// send sends the test message.
func (k *Kind) send(client *smtp.Client) error {
	if err := client.Mail(k.config.TestFrom); err != nil {
		return err
	}
	if err := client.Rcpt(k.config.TestTo); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	message := strings.Join([]string{
		"From: <" + k.config.TestFrom + ">",
		"To: <" + k.config.TestTo + ">",
		"Subject: Test of a new SMTP credential",
		"Date: " + time.Now().UTC().Format(time.RFC1123Z),
		"",
		"This message was sent with a new SMTP credential, to try it before it is used.",
		"",
	}, "\r\n")
	if _, err := w.Write([]byte(message)); err != nil {
		return err
	}
	return w.Close()
}

// Probe logs in once.
func (k *Kind) Probe(ctx context.Context, d document.Document) (credential.Outcome, error) {
	c, err := k.account(d)
	if err != nil {
		return credential.Unknown, err
	}
	err = k.login(ctx, c, nil)
	return credential.OutcomeOf(err), err
}
