package rig

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"

	localiam "mautic-rotation/internal/localaws/iam"
	"mautic-rotation/internal/smtpserver"
)

// SMTPUser is the IAM user whose access keys are the SMTP credentials.
const SMTPUser = "mautic-prod-smtp"

// SES is an IAM user with one access key, and an SMTP server that accepts the active keys
// of all users with the passwords derived from them. The secret holds the key, and the
// server's host and port, in /email_configuration, and the function is configured for
// both.
type SES struct {
	// Tags of the user.
	Tags map[string]string

	// Intercept decides the fate of the server's commands; nil passes all.
	Intercept func(smtpserver.Command) smtpserver.Fault

	// MayNotSend makes the server refuse to send: the user may only log in.
	MayNotSend atomic.Bool
}

// startSES creates the user and its key, and starts the server.
func (r *Rig) startSES() (err error) {
	ses := r.options.SES
	if ses == nil {
		return nil
	}
	err = r.AWS.IAM.AddUser(localiam.User{
		Name:           SMTPUser,
		Tags:           ses.Tags,
		InlinePolicies: []string{"AmazonSesSendingAccess"}, // the name that the SES console gives it
	})
	if err != nil {
		return err
	}
	if r.SMTPKey, err = r.AWS.IAM.AddAccessKey(SMTPUser); err != nil {
		return err
	}
	r.SMTP, err = smtpserver.Start(smtpserver.Options{
		Accept:    smtpserver.AcceptKeys(r.region(), r.AWS.IAM.KeyAccepts),
		Region:    r.region(),
		Intercept: ses.Intercept,
		Denied: func(string) string {
			if !ses.MayNotSend.Load() {
				return ""
			}
			return r.AWS.IAM.UserARN(SMTPUser)
		},
	})
	return err
}

func (r *Rig) region() string { return r.AWS.Config().Region }

// setSES configures the function for SES.
func (r *Rig) setSES(env map[string]string) {
	if r.SMTP == nil {
		return
	}
	env["ROTATE_KINDS"] = cmp.Or(env["ROTATE_KINDS"], "database") + ",smtp"
	env["SMTP_IAM_USER"] = SMTPUser
	env["SMTP_REGION"] = r.region()
}

// reachSES tells the function the server's address.
func (r *Rig) reachSES(env map[string]string) {
	if r.SMTP == nil {
		return
	}
	env["SMTP_HOST"] = r.SMTP.Host()
	env["SMTP_PORT"] = strconv.Itoa(r.SMTP.Port())
	env["SMTP_CA_FILE"] = r.SMTP.CAFile()
}

// emailConfiguration is that part of the document. Without SES it holds a credential that
// nothing accepts.
func (r *Rig) emailConfiguration() string {
	if r.SMTP == nil {
		return fmt.Sprintf(`{"smtp_username":"AKIAIOSFODNN7EXAMPLE","smtp_password":"%s"}`, rand.Text())
	}
	return fmt.Sprintf(`{"smtp_username":%q,"smtp_password":%q,"smtp_host":%q,"smtp_port":%d}`,
		r.SMTPKey.ID, smtpserver.Password(r.SMTPKey.Secret, r.region()), r.SMTP.Host(), r.SMTP.Port())
}
