package crash

import (
	"context"

	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/smtp"
)

// smtpTarget is SES with the IAM user's access keys.
var smtpTarget = target{
	kind:    "smtp",
	places:  []document.Pointer{smtp.RunbookLayout.Username, smtp.RunbookLayout.Password},
	accepts: keyAccepted,
	final:   checkKeys,
}

func keyAccepted(_ context.Context, r *rig.Rig, d document.Document) (bool, error) {
	name, err := d.Text(smtp.RunbookLayout.Username)
	if err != nil {
		return false, err
	}
	password, err := d.Text(smtp.RunbookLayout.Password)
	if err != nil {
		return false, err
	}
	return smtpserver.AcceptKeys(r.AWS.Config().Region, r.AWS.IAM.KeyAccepts)(name, password), nil
}

// checkKeys: once nothing is open, the user has only the current key, and it is active.
func checkKeys(r *rig.Rig, current document.Document, found *ledger) {
	name, _ := current.Text(smtp.RunbookLayout.Username)
	keys := r.AWS.IAM.AccessKeys(rig.SMTPUser)
	if len(keys) != 1 || keys[0].ID != name || keys[0].Status != "Active" {
		found.note("at the end the user has %d keys, or a key other than the one in AWSCURRENT", len(keys))
	}
}

// checkKeyCount: IAM allows a user two keys.
func checkKeyCount(r *rig.Rig, moment string, found *ledger) {
	if keys := r.AWS.IAM.AccessKeys(rig.SMTPUser); len(keys) > 2 {
		found.note("%s: the user has %d keys", moment, len(keys))
	}
}

// tagUser tags the IAM user as belonging only to the secret.
func tagUser(o rig.Options, r *rig.Rig) {
	if o.SES != nil {
		o.SES.Tags[smtp.OwnerTag] = r.SecretARN // before the function reads the tags
	}
}

// onSMTP decides the fate of an SMTP command.
func (w *wire) onSMTP(c smtpserver.Command) smtpserver.Fault {
	moment, wanted := w.next("smtp " + c.Verb)
	fault := smtpserver.Fault{After: func() { w.check("after " + moment) }}
	switch wanted {
	case ErrorBefore:
		fault.Refuse = smtpserver.TemporaryFailure
	case KilledBefore:
		w.kill()
		fault.Drop = true
	case KilledAfter:
		after := fault.After
		fault.LoseReply, fault.After = true, func() {
			after()
			w.kill()
		}
	case ReplyLost:
		fault.LoseReply = true
	case AppliedLate:
		w.neverLate()
	case Duplicated:
		w.repeat()
	case Deadline:
		after := fault.After
		fault.LoseReply, fault.After = true, func() {
			after()
			<-w.over
		}
	}
	return fault
}
