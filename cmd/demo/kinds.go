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

// A kind is what the demo knows about a credential kind: what to print about it, and
// how to use it. In texts, %s stands for the database server's name.
type kind struct {
	name string

	// secrets and public are the fields that a rotation changes or adds.
	secrets, public []document.Pointer

	// did says, by step, what a successful step did for the kind.
	did map[string]string

	// accepts uses the credential in a document, as its users do. It returns an
	// error when the answer is neither an acceptance nor a refusal.
	accepts func(context.Context, *demo, document.Document) (bool, error)

	// both is printed while the old and the new value are accepted. lasts is for
	// how long the old one is; 0: until no task uses it.
	both  string
	lasts time.Duration

	// What must hold once the old value is retired, and once the new one has been
	// rolled back.
	retired, rolledBack promise
}

// A promise is what must be true of a kind at the end.
type promise struct {
	text string
	kept func(ending, kind) bool
}

// kinds are the credentials that the demo rotates.
var kinds = []kind{
	{
		name:    "database",
		secrets: []document.Pointer{rig.PasswordPointer},
		did: map[string]string{
			"createSecret": "a new password",
			"setSecret":    "%s now accepts both the new password and the old one",
			"testSecret":   "logged in with the new password and ran a query",
			"finishSecret": "forced a new deployment of each service, since tasks read the password when they start",
		},
		accepts:    databaseLogsIn,
		both:       "both the new and the old password, until nothing uses the old one",
		retired:    promise{"database: %s accepts the new password; the old one is retired (refused)", overlapped},
		rolledBack: promise{"database: %s accepts the old password and refuses the one that was rolled back", onlyOld},
	},
	{
		name:    "admin",
		secrets: []document.Pointer{"/admin_credentials/admin_password"},
		did: map[string]string{
			"createSecret": "a new password",
			"setSecret":    "replaced the password in Mautic, which accepts only one at a time",
			"testSecret":   "signed in to Mautic with the new password",
		},
		accepts:    administratorSignsIn,
		both:       "both the new and the old password",
		retired:    promise{"admin: the new password signs in; the old one has been refused since the promotion", onlyNewFromTheStart},
		rolledBack: promise{"admin: the old password signs in again; the one that was rolled back is refused", onlyOld},
	},
	{
		name:    "api",
		secrets: []document.Pointer{mautic.RunbookAPILayout.Key},
		public:  []document.Pointer{mautic.RunbookAPILayout.ClientID},
		did: map[string]string{
			"createSecret": "a new key for the other of the two API clients",
			"setSecret":    "Mautic now accepts the other client too; the current one is unchanged",
			"testSecret":   "got a token with the new client and called the API",
		},
		accepts:    clientCallsAPI,
		both:       "both the new and the old client",
		lasts:      apiOverlap,
		retired:    promise{"api: the new client gets tokens; the old one worked for " + inDays(apiOverlap) + ", and is now refused, and its tokens are deleted", clientRetired},
		rolledBack: promise{"api: the old client gets tokens; the one that was rolled back is refused", onlyOld},
	},
	{
		name:    "webhook",
		secrets: []document.Pointer{mautic.DefaultWebhookLayout.Secret, mautic.DefaultWebhookLayout.Next, mautic.DefaultWebhookLayout.Previous},
		did: map[string]string{
			"createSecret": "a next secret, which receivers should accept from now on",
			"setSecret":    "no change yet: Mautic starts signing with the next secret at the next rotation",
			"testSecret":   "Mautic has the current secret",
		},
		accepts:    webhooksSignWith,
		both:       "the current secret, unchanged; the next one is published beside it",
		retired:    promise{"webhook: Mautic signs with the current secret, and the next one is published beside it", nextPublished},
		rolledBack: promise{"webhook: Mautic signs with the current secret, and the next one is no longer published", nextWithdrawn},
	},
	{
		name:    "smtp",
		secrets: []document.Pointer{smtp.RunbookLayout.Password},
		public:  []document.Pointer{smtp.RunbookLayout.Username},
		did: map[string]string{
			"createSecret": "a second access key for the IAM user, and the SMTP password derived from its secret",
			"setSecret":    "the second key is active; the first one still works",
			"testSecret":   "logged in with the new key and sent a message",
			"finishSecret": "the same deployments pick it up",
		},
		accepts:    mailLogsIn,
		both:       "both the new and the old key, until nothing uses the old one",
		retired:    promise{"smtp: a message was delivered with the new key before the old one was deactivated; the old one is refused and deleted", keyRetired},
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

// nextPublished checks what the first rotation of a webhook secret does.
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

// webhooksSignWith reads Mautic's tables instead of a delivery, which would need
// a receiver.
func webhooksSignWith(ctx context.Context, d *demo, doc document.Document) (bool, error) {
	var others int
	err := d.MySQL.Admin().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+d.Database+".webhooks WHERE secret <> ?",
		text(doc, mautic.DefaultWebhookLayout.Secret)).Scan(&others)
	return others == 0, err
}
