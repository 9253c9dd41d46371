package rig

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/document"
)

// PasswordPointer is the field of the database password in the rig's secret.
const PasswordPointer = document.Pointer("/database_password")

// The fields of the SMTP credential.
const (
	smtpUserPointer     = document.Pointer("/email_configuration/smtp_username")
	smtpPasswordPointer = document.Pointer("/email_configuration/smtp_password")
)

// ValueLabelled returns the whole value of the version with the label. It does not use
// the API, whose reads may be stale.
func (r *Rig) ValueLabelled(label string) (string, error) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return "", err
	}
	version := state.Labelled(label)
	if !version.HasValue {
		return "", fmt.Errorf("no version with a value is labelled %s", label)
	}
	return version.Value, nil
}

// PasswordLabelled returns the database password in that value.
func (r *Rig) PasswordLabelled(label string) (string, error) {
	value, err := r.ValueLabelled(label)
	if err != nil {
		return "", err
	}
	doc, err := document.Parse(value)
	if err != nil {
		return "", err
	}
	return doc.Text(PasswordPointer)
}

// Login opens a new connection as the rig's account, through the server's socket, which
// is fast.
func (r *Rig) Login(ctx context.Context, password string) error {
	return r.MySQL.Accepts(ctx, r.User, password, r.Database)
}

// CurrentLogsIn checks the first invariant: AWSCURRENT's password is accepted.
func (r *Rig) CurrentLogsIn(ctx context.Context) error {
	password, err := r.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return err
	}
	if err := r.Login(ctx, password); err != nil {
		// AWSCURRENT may have moved between the read and the login.
		if again, readErr := r.PasswordLabelled("AWSCURRENT"); readErr == nil && again != password {
			return r.Login(ctx, again)
		}
		return fmt.Errorf("cannot log in with AWSCURRENT's password: %w", err)
	}
	return nil
}

// PasswordIn returns the database password in a version's value, or "".
func PasswordIn(value string) string { return textIn(value, PasswordPointer) }

// textIn returns a field of a version's value, or "".
func textIn(value string, p document.Pointer) string {
	doc, err := document.Parse(value)
	if err != nil {
		return ""
	}
	text, err := doc.Text(p)
	if err != nil {
		return ""
	}
	return text
}
