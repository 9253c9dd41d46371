package crash

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	awswire "mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// A Scenario is a rotation with what comes before it and the end that it
// comes to. What is watched, and faulted, is begin and the settling after it.
type Scenario struct {
	Name, What string

	// literal is rig.Application.Literal.
	literal bool

	// seldom: tasks log in when they start, and again when they stop, which
	// takes them a while. In between nothing but their being there tells that
	// the password they were started with is needed.
	seldom bool

	// services are the ECS services; none: one.
	services []string

	// on is what is rotated.
	on deployment

	// emergency: what was there before is refused from the promotion on, and
	// running tasks fail until they are replaced.
	emergency bool

	// edit are fields that somebody edits by hand after the promotion.
	edit map[document.Pointer]string

	// fenced: what came before has AWSCURRENT moved to a copy of its own document.
	fenced bool

	// prepare brings the deployment to where the watched part begins.
	prepare func(context.Context, *rig.Rig) error

	// begin may fail by the trial's fault; then it is called again.
	begin func(context.Context, *rig.Rig) error

	// end is the end of what begin began, and next of the rotation after it.
	end, next ending
}

// RunsOn tells whether the scenario is one of a make of server. MariaDB does not
// log who uses an old password, so whoever does is refused for a moment.
func (s Scenario) RunsOn(series mysqlserver.Series) bool {
	return !s.literal && !s.on.onMySQL || !series.IsMariaDB()
}

// An ending is how a rotation ends after its four steps.
type ending struct {
	// settle brings it about, by reconciles. It is called again after a fault.
	settle func(context.Context, *rig.Rig) error

	// refusal is why a rotation is refused that comes to this end; "": it is not.
	refusal string

	// check looks whether it has come about.
	check func(ctx context.Context, r *rig.Rig, before snapshot, found *ledger)

	// keepsOld: what AWSCURRENT had before is accepted all the time.
	keepsOld bool
}

// The endings.
var (
	retired = ending{settle: settle, check: checkRetired}
	// retiredInDays: what callers of their own may use is kept for days, and the
	// webhooks' next secret has been known for a day when it is used.
	retiredInDays = ending{settle: settleInDays, check: checkRetired}
	impatient     = ending{settle: settleImpatiently, check: checkRetired}
	rolledBack    = ending{settle: settleRollback, check: checkRolledBack, keepsOld: true}
	givenUp       = ending{settle: settle, check: checkUnchanged, keepsOld: true}
	held          = ending{settle: settleHeld, check: checkHeld, keepsOld: true}
	stillHeld     = ending{settle: settleHeld, check: checkStillHeld, keepsOld: true, refusal: "its overlap is still open"}
)

// Scenarios are all scenarios.
var Scenarios = []Scenario{
	{
		Name: "plain", What: "a rotation with nothing before it",
		prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "second", What: "a rotation after another one, whose old password was retired",
		prepare: rotateAndSettle, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "abandoned", What: "a rotation after one that was set and whose AWSPENDING was taken off by hand, so that its password is the primary one: it is refused, the password is taken away, and the next one goes through",
		fenced:  true,
		prepare: abandonByHand, begin: rotateAfterRefusal, end: retired, next: retired,
	},
	{
		Name: "rolled-back", What: "a rotation whose password the application does not come up with",
		prepare: breakApplication, begin: rotate, end: rolledBack, next: retired,
	},
	{
		Name: "rolled-back-edited", What: "likewise, and another field of the secret is edited by hand before it is rolled back",
		edit:    edited,
		prepare: breakApplication, begin: rotate, end: ending{settle: settleEditedRollback, check: checkRolledBack, keepsOld: true}, next: retired,
	},
	{
		Name: "edited", What: "a rotation with another field of the secret edited by hand while its overlap is open",
		edit:    edited,
		prepare: nothing, begin: rotate, end: ending{settle: settleEdited, check: checkRetired}, next: retired,
	},
	{
		Name: "deployed", What: "a rotation with a deployment by CI while its overlap is open, and reconciles in the midst of that",
		prepare: nothing, begin: rotate, end: ending{settle: settleDeployed, check: checkRetired}, next: retired,
	},
	{
		Name: "two-services", What: "a rotation with two services to be redeployed",
		services: []string{"mautic-prod-service", "mautic-prod-cron"},
		prepare:  nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "given-up", What: "the operator's abandon, of a rotation that was set and is stuck",
		prepare: getStuck, begin: abandon, end: givenUp, next: retired,
	},
	{
		Name: "held", What: "a rotation whose old password the application goes on using",
		literal: true, prepare: nothing, begin: rotate, end: held, next: stillHeld,
	},
	{
		Name: "seldom", What: "a rotation of an application that logs in seldom, with a reconcile in the midst of the rollout",
		seldom: true, prepare: nothing, begin: rotate, end: impatient, next: retired,
	},
	{
		Name: "smtp", What: "a rotation of the database and of SMTP",
		on: withSMTP, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "mautic", What: "a rotation of the database and of all that is in Mautic's own tables",
		on: withMautic, prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "all", What: "a rotation of every kind",
		on: withAll, prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "smtp-alone", What: "a rotation of SMTP, and of no other kind in the secret",
		on: alone("smtp", withSMTP), prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "admin-alone", What: "likewise, of the Mautic administrator's password",
		on: alone("admin", withMautic), prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "api-alone", What: "likewise, of the API client",
		on: alone("api", withMautic), prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "webhook-alone", What: "likewise, of the webhooks' secret",
		on: alone("webhook", withMautic), prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "emergency", What: "an emergency rotation of the database and of all that is in Mautic's own tables",
		on: withMautic, emergency: true, prepare: nothing, begin: rotateAtOnce, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "admin", What: "a rotation by an administrator of the database",
		on: byAdministrator, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "single", What: "a rotation of an account that has one password at a time",
		on: singly, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "rds", What: "a rotation by RDS, of the master user",
		on: byRDS, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
}

// refusesTasks tells whether logins of running tasks may fail.
func (s Scenario) refusesTasks() bool { return s.emergency || s.on.single }

// app is the application of a deployment.
func (s Scenario) app() *rig.Application {
	services := s.services
	if len(services) == 0 {
		services = []string{"mautic-prod-service"}
	}
	app := &rig.Application{Services: services, Tasks: 1, Interval: 500 * time.Millisecond, WithFunction: true, Literal: s.literal}
	if s.seldom {
		app.Interval, app.WithFunction, app.LastLogin, app.DrainTime = time.Hour, false, true, 5*time.Second
	}
	return app
}

func nothing(context.Context, *rig.Rig) error { return nil }

func rotateAndSettle(ctx context.Context, r *rig.Rig) error {
	if _, err := r.Rotate(ctx); err != nil {
		return err
	}
	return r.Settle(ctx)
}

func breakApplication(_ context.Context, r *rig.Rig) error {
	r.Application().Broken.Store(true)
	return nil
}

// getStuck begins a rotation that sets its password and gets no further.
func getStuck(ctx context.Context, r *rig.Rig) error {
	r.AWS.Intercept(func(c awswire.Call) awswire.Fault {
		if c.Caller.Step == "testSecret" {
			return awswire.Fault{Error: &awswire.Error{Code: "AccessDeniedException", Message: "stuck", Status: 400}}
		}
		return awswire.Fault{}
	})
	defer r.AWS.Intercept(nil)
	if _, err := r.Rotate(ctx); err == nil {
		return errors.New("the rotation that was to get stuck has succeeded")
	}
	stuck, err := r.PasswordLabelled("AWSPENDING")
	if err != nil {
		return err
	}
	return r.Login(ctx, stuck)
}

// abandonByHand gives a stuck rotation up without the function knowing.
func abandonByHand(ctx context.Context, r *rig.Rig) error {
	if err := getStuck(ctx, r); err != nil {
		return err
	}
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return err
	}
	label, stuck := "AWSPENDING", state.Labelled("AWSPENDING").ID
	_, err = r.Secrets.UpdateSecretVersionStage(ctx, &sm.UpdateSecretVersionStageInput{
		SecretId: &r.SecretARN, VersionStage: &label, RemoveFromVersionId: &stuck,
	})
	return err
}

// rotate does what an operator does, also about a rotation that has failed for
// good: asking for it again makes Secrets Manager take up the same version,
// unless the failed one left nothing pending.
func rotate(ctx context.Context, r *rig.Rig) error {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return err
	}
	token, err := r.StartRotation(ctx)
	if err != nil {
		if !strings.Contains(err.Error(), "will be reattempted") {
			return err
		}
		token = state.Labelled("AWSPENDING").ID
	}
	return r.AWS.SecretsManager.WaitRotation(ctx, r.SecretARN, token)
}

// rotateAfterRefusal rotates, and once more where that is refused: while what a
// rotation has set that was given up is still accepted, no other one replaces it.
func rotateAfterRefusal(ctx context.Context, r *rig.Rig) error {
	if err := rotate(ctx, r); err == nil {
		return nil
	}
	return rotate(ctx, r)
}

func abandon(_ context.Context, r *rig.Rig) error {
	return r.Invoke(fmt.Appendf(nil, `{"Action":"abandon","SecretId":%q}`, r.SecretARN))
}

// rotateAtOnce is rotate in an emergency.
func rotateAtOnce(ctx context.Context, r *rig.Rig) error {
	token := "emergency." + strings.ToLower(rand.Text())
	_, err := r.Secrets.RotateSecret(ctx, &sm.RotateSecretInput{SecretId: &r.SecretARN, RotationLambdaARN: &r.FunctionARN, ClientRequestToken: &token})
	if err != nil {
		return rotate(ctx, r) // which goes on with the one that was begun
	}
	return r.AWS.SecretsManager.WaitRotation(ctx, r.SecretARN, token)
}

func settle(ctx context.Context, r *rig.Rig) error { return r.Settle(ctx) }

// settleInDays lets the days pass too for which an old API client is kept, when
// nothing else is left.
func settleInDays(ctx context.Context, r *rig.Rig) error {
	err := r.SettleUntil(ctx, func(journal []string) bool {
		return !slices.ContainsFunc(journal, func(label string) bool { return label != "api=old" })
	})
	if err != nil {
		return err
	}
	r.AWS.Clock().Advance(apiOverlap + 24*time.Hour)
	return r.Settle(ctx)
}

// settleImpatiently reconciles in the midst of the rollout too, as its own
// events have the function do.
func settleImpatiently(ctx context.Context, r *rig.Rig) error {
	fault := r.Reconcile()
	if err := r.Settle(ctx); err != nil {
		return errors.Join(fault, err)
	}
	return nil
}

// settleRollback lets the time pass in which the application is to come up.
func settleRollback(ctx context.Context, r *rig.Rig) error {
	err := reconcileUntil(ctx, r, "AWSCURRENT is the old version again", func() (bool, error) {
		password, err := r.PasswordLabelled("AWSCURRENT")
		return password == r.Password, err
	})
	if err != nil {
		return err
	}
	return r.Settle(ctx)
}

// edited is what somebody edits by hand meanwhile.
var edited = map[document.Pointer]string{"/site_url": "https://edited.example.com"}

// settleEditedRollback has the secret edited first, if it is not yet.
func settleEditedRollback(ctx context.Context, r *rig.Rig) error {
	if err := edit(ctx, r); err != nil {
		return err
	}
	return settleRollback(ctx, r)
}

// settleEdited is likewise for a rotation that succeeds.
func settleEdited(ctx context.Context, r *rig.Rig) error {
	if err := edit(ctx, r); err != nil {
		return err
	}
	return r.Settle(ctx)
}

// settleDeployed has CI deploy every service when all of their tasks are new.
func settleDeployed(ctx context.Context, r *rig.Rig) error {
	if err := r.WaitSteady(ctx); err != nil {
		return err
	}
	faults := []error{r.Reconcile()} // notes, as a rule, that the rollout has converged
	for _, service := range r.Application().Services {
		if err := r.Deploy(ctx, service); err != nil {
			return err
		}
		faults = append(faults, r.Reconcile())
	}
	if err := r.Settle(ctx); err != nil {
		return errors.Join(append(faults, err)...)
	}
	return nil
}

// edit edits the secret, if it is not edited yet.
func edit(ctx context.Context, r *rig.Rig) error {
	_, current, ok := labelled(r, "AWSCURRENT")
	if !ok {
		return errors.New("AWSCURRENT has no document")
	}
	for at, text := range edited {
		if now, err := current.Text(at); err != nil || now == text {
			continue
		}
		if err := store(ctx, r, edited); err != nil {
			return err
		}
	}
	return nil
}

// settleHeld lets the time pass in which nothing is to use the old password
// any more.
func settleHeld(ctx context.Context, r *rig.Rig) error {
	if err := r.WaitSteady(ctx); err != nil {
		return err
	}
	return reconcileUntil(ctx, r, "the journal says that it is held", func() (bool, error) { return journalSaysHeld(r) })
}

func journalSaysHeld(r *rig.Rig) (bool, error) {
	journal, err := r.Journal()
	held := slices.ContainsFunc(journal, func(label string) bool { return strings.HasSuffix(label, "=held") })
	return held && len(journal) == 1, err
}

const (
	pastRollout   = 31 * time.Minute // more than rotation.DefaultLimits.Rollout
	reconcileTime = time.Minute      // more than any ending takes
)

// reconcileUntil moves the clock past the end of the rollout and reconciles,
// until what is wanted has come about.
func reconcileUntil(ctx context.Context, r *rig.Rig, wanted string, reached func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTime)
	defer cancel()
	for {
		if ok, err := reached(); ok || err != nil {
			return err
		}
		r.AWS.Clock().Advance(pastRollout)
		fault := r.Reconcile()
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("waiting until %s: %w", wanted, ctx.Err()), fault)
		}
	}
}
