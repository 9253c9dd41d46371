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

// SMTPUser is the IAM user whose access keys are the credentials for SMTP.
const SMTPUser = "mautic-prod-smtp"

// SES is the sender of mail: an IAM user with one access key, and a server that
// accepts the active keys of all users, with the passwords that are derived from
// them. The secret holds the key at /email_configuration, with the server's host
// and port, and the function is told of both.
type SES struct {
	// Tags of the user.
	Tags map[string]string

	// Intercept decides about the server's commands; nil lets all pass.
	Intercept func(smtpserver.Command) smtpserver.Fault

	// MayNotSend makes the server refuse to send: the user may log in only.
	MayNotSend atomic.Bool
}

// startSES makes the user, its key and the server.
func (r *Rig) startSES() (err error) {
	ses := r.options.SES
	if ses == nil {
		return nil
	}
	err = r.AWS.IAM.AddUser(localiam.User{
		Name:           SMTPUser,
		Tags:           ses.Tags,
		InlinePolicies: []string{"AmazonSesSendingAccess"}, // the name that SES's console gives it
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

// setSES tells the function of the sender.
func (r *Rig) setSES(env map[string]string) {
	if r.SMTP == nil {
		return
	}
	env["ROTATE_KINDS"] = cmp.Or(env["ROTATE_KINDS"], "database") + ",smtp"
	env["SMTP_IAM_USER"] = SMTPUser
	env["SMTP_REGION"] = r.region()
}

// reachSES tells the function where the sender is.
func (r *Rig) reachSES(env map[string]string) {
	if r.SMTP == nil {
		return
	}
	env["SMTP_HOST"] = r.SMTP.Host()
	env["SMTP_PORT"] = strconv.Itoa(r.SMTP.Port())
	env["SMTP_CA_FILE"] = r.SMTP.CAFile()
}

// emailConfiguration is that part of the document. Without a sender it is one
// that nobody accepts.
func (r *Rig) emailConfiguration() string {
	if r.SMTP == nil {
		return fmt.Sprintf(`{"smtp_username":"AKIAIOSFODNN7EXAMPLE","smtp_password":"%s"}`, rand.Text())
	}
	return fmt.Sprintf(`{"smtp_username":%q,"smtp_password":%q,"smtp_host":%q,"smtp_port":%d}`,
		r.SMTPKey.ID, smtpserver.Password(r.SMTPKey.Secret, r.region()), r.SMTP.Host(), r.SMTP.Port())
}
