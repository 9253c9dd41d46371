package rig

import (
	"context"
	"fmt"
	"net"
	"net/smtp"
	"strconv"
	"time"

	localecs "mautic-rotation/internal/localaws/ecs"
)

// Sender, recipient and subject of the application's mail.
const (
	MailFrom    = "mautic@example.com"
	MailTo      = "contact@example.net"
	MailSubject = "The newsletter"
)

// mailTimeout is for a login and the message that follows it.
const mailTimeout = 10 * time.Second

// MailLogin logs in to the SMTP server on a new connection. Like SendMail, it needs
// Options.SES.
func (r *Rig) MailLogin(ctx context.Context, username, password string) error {
	return r.mail(ctx, username, password, func(*smtp.Client) error { return nil })
}

// SendMail logs in on a new connection and sends one of the application's messages.
func (r *Rig) SendMail(ctx context.Context, username, password string) error {
	return r.mail(ctx, username, password, func(client *smtp.Client) error {
		if err := client.Mail(MailFrom); err != nil {
			return err
		}
		if err := client.Rcpt(MailTo); err != nil {
			return err
		}
		body, err := client.Data()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(body, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n\r\nHello.\r\n", MailFrom, MailTo, MailSubject); err != nil {
			return err
		}
		return body.Close()
	})
}

// mail logs in over TLS, and then calls then.
func (r *Rig) mail(ctx context.Context, username, password string, then func(*smtp.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	host := r.SMTP.Host()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(r.SMTP.Port())))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	secure := r.SMTP.TLSConfig()
	secure.ServerName = host
	if err := client.StartTLS(secure); err != nil {
		return err
	}
	if err := client.Auth(smtp.PlainAuth("", username, password, host)); err != nil {
		return err
	}
	if err := then(client); err != nil {
		return err
	}
	return client.Quit()
}

// mailVariable holds the whole secret in a task that sends mail: ECS cannot pick nested
// fields, such as those in /email_configuration.
const mailVariable = "MAUTIC_SECRETS"

// secrets are what a task reads when it starts.
func (a *Application) secrets(secretARN string) []localecs.ContainerSecret {
	secrets := []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: secretARN + ":database_password::"}}
	if a.MailInterval > 0 {
		secrets = append(secrets, localecs.ContainerSecret{Name: mailVariable, ValueFrom: secretARN})
	}
	return secrets
}

// sendMails keeps sending messages with the credential that a task has read, until the
// task ends.
func (a *Application) sendMails(ctx context.Context, r *Rig, secret string, record *TaskRecord) {
	username, password := textIn(secret, smtpUserPointer), textIn(secret, smtpPasswordPointer)
	pace := time.NewTicker(a.MailInterval)
	defer pace.Stop()
	for {
		err := r.SendMail(context.WithoutCancel(ctx), username, password) // see run
		a.mu.Lock()
		record.Mails++
		if err != nil {
			record.MailFailures++
			if record.FirstMailFailure == nil {
				record.FirstMailFailure = err
			}
		}
		a.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

// Mails returns how many messages the tasks have sent, and how many of them failed.
func (a *Application) Mails() (attempts, failures int) {
	for _, t := range a.Records() {
		attempts += t.Mails
		failures += t.MailFailures
	}
	return attempts, failures
}
