package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mautic"
	"mautic-rotation/rotation/smtp"
)

// A kind is what the demo knows of a credential kind: what to say of it, and how
// to use it. Texts have %s for the database server.
type kind struct {
	name string

	// secrets and public are the fields that a rotation changes or adds.
	secrets, public []document.Pointer

	// did is what a step has done for the kind when it has succeeded.
	did map[string]string

	// accepts uses what a document holds, as whoever has it does. The error is
	// for what tells neither that it is accepted nor that it is refused.
	accepts func(context.Context, *demo, document.Document) (bool, error)

	// both is what is said while the old and the new value are accepted. lasts is
	// for how long the old one is; 0: as long as there are tasks with it.
	both  string
	lasts time.Duration

	// What has to hold when the old value is retired, and when the new one has
	// been rolled back.
	retired, rolledBack promise
}

// A promise is what a kind is expected to be at the end.
type promise struct {
	text string
	kept func(ending, kind) bool
}

// kinds are what the demo rotates.
var kinds = []kind{
	{
		name:    "database",
		secrets: []document.Pointer{rig.PasswordPointer},
		did: map[string]string{
			"createSecret": "a new password",
			"setSecret":    "%s accepts the new password, and goes on accepting the old one",
			"testSecret":   "the new password logs in and runs a query",
			"finishSecret": "new deployments are forced, since tasks read the password when they start",
		},
		accepts:    databaseLogsIn,
		both:       "the new one; the old one too, until no task uses it any more",
		retired:    promise{"database: %s accepts the new password; it refuses the old one, which is retired", overlapped},
		rolledBack: promise{"database: %s accepts the old password, and refuses the one that was rolled back", onlyOld},
	},
	{
		name:    "admin",
		secrets: []document.Pointer{"/admin_credentials/admin_password"},
		did: map[string]string{
			"createSecret": "a new password",
			"setSecret":    "Mautic has the new password in place of the old one: it keeps one at a time",
			"testSecret":   "the new password signs in to Mautic",
		},
		accepts:    administratorSignsIn,
		both:       "both of them",
		retired:    promise{"admin: the administrator signs in with the new password; the old one was refused from the promotion on", onlyNewFromTheStart},
		rolledBack: promise{"admin: the administrator signs in with the old password again, and not with the one that was rolled back", onlyOld},
	},
	{
		name:    "api",
		secrets: []document.Pointer{mautic.RunbookAPILayout.Key},
		public:  []document.Pointer{mautic.RunbookAPILayout.ClientID},
		did: map[string]string{
			"createSecret": "the other one of two clients, with a new key",
			"setSecret":    "Mautic accepts the other client; the one in use stays as it is",
			"testSecret":   "the new client gets a token and calls the API",
		},
		accepts:    clientCallsAPI,
		both:       "the new one; the old one too",
		lasts:      apiOverlap,
		retired:    promise{"api: the new client gets tokens; the old one did for " + inDays(apiOverlap) + ", and is refused now, and its tokens are gone", clientRetired},
		rolledBack: promise{"api: the old client gets tokens; the one that was rolled back is refused", onlyOld},
	},
	{
		name:    "webhook",
		secrets: []document.Pointer{mautic.DefaultWebhookLayout.Secret, mautic.DefaultWebhookLayout.Next, mautic.DefaultWebhookLayout.Previous},
		did: map[string]string{
			"createSecret": "the next secret, for receivers to accept from now on",
			"setSecret":    "nothing yet: Mautic signs with the next secret after the next rotation",
			"testSecret":   "Mautic has the secret in use",
		},
		accepts:    webhooksSignWith,
		both:       "the one in use, as before; the next one is published",
		retired:    promise{"webhook: Mautic signs with the secret in use, and the next one is published beside it", nextPublished},
		rolledBack: promise{"webhook: Mautic signs with the secret in use, and the next one is published no more", nextWithdrawn},
	},
	{
		name:    "smtp",
		secrets: []document.Pointer{smtp.RunbookLayout.Password},
		public:  []document.Pointer{smtp.RunbookLayout.Username},
		did: map[string]string{
			"createSecret": "the IAM user's second access key, with the password that SES derives from its secret",
			"setSecret":    "the second key is active, beside the first one",
			"testSecret":   "the new key logs in, and a message is sent with it",
			"finishSecret": "the new deployments read it, too",
		},
		accepts:    mailLogsIn,
		both:       "the new key; the old one too, until no task uses it any more",
		retired:    promise{"smtp: a message was delivered with the new key before the old one was switched off; the old one is refused and deleted", keyRetired},
		rolledBack: promise{"smtp: the old key logs in; the one that was rolled back is refused and deleted", keyRolledBack},
	},
}

// apiOverlap is the function's default for API_OVERLAP_DAYS.
const apiOverlap = mautic.DefaultOverlap

// changed tells whether two documents differ in the kind's fields.
func (k kind) changed(a, b document.Document) bool {
	return slices.ContainsFunc(k.secrets, func(p document.Pointer) bool { return text(a, p) != text(b, p) })
}

func databasePassword(d document.Document) string { return text(d, rig.PasswordPointer) }

// text is a field of a document, or "".
func text(d document.Document, p document.Pointer) string {
	value, err := d.Text(p)
	if err != nil {
		return ""
	}
	return value
}

func overlapped(e ending, k kind) bool {
	return e.promoted[k.name] == acceptance{old: true, new: true} && e.accepts[k.name] == acceptance{new: true}
}

func onlyNewFromTheStart(e ending, k kind) bool {
	return e.promoted[k.name] == acceptance{new: true} && e.accepts[k.name] == acceptance{new: true}
}

func onlyOld(e ending, k kind) bool { return e.accepts[k.name] == acceptance{old: true} }

func clientRetired(e ending, k kind) bool { return overlapped(e, k) && e.oldTokens == 0 }

func keyRetired(e ending, k kind) bool {
	return overlapped(e, k) && e.delivered && slices.Equal(e.keys, []string{keyIn(e.new)})
}

func keyRolledBack(e ending, k kind) bool {
	return onlyOld(e, k) && slices.Equal(e.keys, []string{keyIn(e.old)})
}

// nextPublished is what the first rotation of a webhook secret does.
func nextPublished(e ending, k kind) bool {
	next := mautic.DefaultWebhookLayout.Next
	return e.accepts[k.name].new && text(e.old, next) == "" && text(e.new, next) != "" && text(e.current, next) == text(e.new, next)
}

func nextWithdrawn(e ending, k kind) bool {
	return e.accepts[k.name].old && text(e.current, mautic.DefaultWebhookLayout.Next) == ""
}

func databaseLogsIn(ctx context.Context, d *demo, doc document.Document) (bool, error) {
	err := d.Login(ctx, databasePassword(doc))
	var refusal *mysql.MySQLError
	if errors.As(err, &refusal) && refusal.Number == 1045 {
		return false, nil
	}
	return err == nil, err
}

func administratorSignsIn(ctx context.Context, d *demo, doc document.Document) (bool, error) {
	user, password := text(doc, "/admin_credentials/admin_username"), text(doc, "/admin_credentials/admin_password")
	status, _, err := d.ask(ctx, http.MethodGet, "/api/users/self", nil, func(r *http.Request) { r.SetBasicAuth(user, password) })
	return answered(status, http.StatusOK, http.StatusUnauthorized, err)
}

func clientCallsAPI(ctx context.Context, d *demo, doc document.Document) (bool, error) {
	return d.callAPI(ctx, pairIn(doc))
}

// webhooksSignWith compares with what Mautic's tables have: a delivery would
// take a receiver.
func webhooksSignWith(ctx context.Context, d *demo, doc document.Document) (bool, error) {
	var others int
	err := d.MySQL.Admin().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+d.Database+".webhooks WHERE secret <> ?",
		text(doc, mautic.DefaultWebhookLayout.Secret)).Scan(&others)
	return others == 0, err
}
