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

// A Scenario is a rotation, what comes before it, and how it ends. Faults are injected,
// and invariants checked, in begin and in the settling after it.
type Scenario struct {
	Name, What string

	// literal sets rig.Application.Literal.
	literal bool

	// seldom: tasks log in when they start and, much later, when they stop. In between,
	// only their existence shows that the password they started with is needed.
	seldom bool

	// services are the ECS services; empty: one default service.
	services []string

	// on is what is rotated.
	on deployment

	// emergency: the old values are refused from the promotion on, and running tasks fail
	// until they are replaced.
	emergency bool

	// edit has fields that are edited by hand after the promotion.
	edit map[document.Pointer]string

	// fenced: the preparation moves AWSCURRENT to a copy of its own document.
	fenced bool

	// prepare brings the deployment to where the watched part begins.
	prepare func(context.Context, *rig.Rig) error

	// begin may fail because of the trial's fault; then it is called again.
	begin func(context.Context, *rig.Rig) error

	// end is how the rotation ends that begin starts, and next how the one after it ends.
	end, next ending
}

// RunsOn tells whether the scenario runs on a series. MariaDB does not log who uses an
// old password, so its users are refused for a moment.
func (s Scenario) RunsOn(series mysqlserver.Series) bool {
	return !s.literal && !s.on.onMySQL || !series.IsMariaDB()
}

// An ending is how a rotation ends after its four steps.
type ending struct {
	// settle reaches the ending by reconcile runs. It is called again after a fault.
	settle func(context.Context, *rig.Rig) error

	// refusal is why a rotation with this ending is refused; "": it is not refused.
	refusal string

	// check checks that the ending was reached.
	check func(ctx context.Context, r *rig.Rig, before snapshot, found *ledger)

	// keepsOld: AWSCURRENT's previous values stay accepted all the time.
	keepsOld bool
}

// The endings.
var (
	retired = ending{settle: settle, check: checkRetired}
	// retiredInDays: API clients, which other programs use, are kept for days, and the
	// next webhook secret must have been published for a day before it is used.
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
		Name: "abandoned", What: "a rotation after one that had set its password, now the primary one, before AWSPENDING was removed by hand: it is refused, that password is revoked, and the next rotation succeeds",
		fenced:  true,
		prepare: abandonByHand, begin: rotateAfterRefusal, end: retired, next: retired,
	},
	{
		Name: "rolled-back", What: "a rotation with whose password the application does not start",
		prepare: breakApplication, begin: rotate, end: rolledBack, next: retired,
	},
	{
		Name: "rolled-back-edited", What: "the same, but another field of the secret is edited by hand before the rollback",
		edit:    edited,
		prepare: breakApplication, begin: rotate, end: ending{settle: settleEditedRollback, check: checkRolledBack, keepsOld: true}, next: retired,
	},
	{
		Name: "edited", What: "a rotation during whose overlap another field of the secret is edited by hand",
		edit:    edited,
		prepare: nothing, begin: rotate, end: ending{settle: settleEdited, check: checkRetired}, next: retired,
	},
	{
		Name: "deployed", What: "a rotation during whose overlap CI deploys, with reconcile runs in the middle of that deployment",
		prepare: nothing, begin: rotate, end: ending{settle: settleDeployed, check: checkRetired}, next: retired,
	},
	{
		Name: "two-services", What: "a rotation with two services to redeploy",
		services: []string{"mautic-prod-service", "mautic-prod-cron"},
		prepare:  nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "given-up", What: "the operator abandons a rotation that has set its password and is stuck",
		prepare: getStuck, begin: abandon, end: givenUp, next: retired,
	},
	{
		Name: "held", What: "a rotation whose old password the application keeps using",
		literal: true, prepare: nothing, begin: rotate, end: held, next: stillHeld,
	},
	{
		Name: "seldom", What: "a rotation for an application that rarely logs in, with a reconcile run in the middle of the rollout",
		seldom: true, prepare: nothing, begin: rotate, end: impatient, next: retired,
	},
	{
		Name: "smtp", What: "a rotation of the database and of SMTP",
		on: withSMTP, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "mautic", What: "a rotation of the database and of all credentials in Mautic's own tables",
		on: withMautic, prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "all", What: "a rotation of every kind",
		on: withAll, prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "smtp-alone", What: "a rotation of SMTP only",
		on: alone("smtp", withSMTP), prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "admin-alone", What: "a rotation of the Mautic administrator's password only",
		on: alone("admin", withMautic), prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "api-alone", What: "a rotation of the API client only",
		on: alone("api", withMautic), prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "webhook-alone", What: "a rotation of the webhook secret only",
		on: alone("webhook", withMautic), prepare: nothing, begin: rotate, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "emergency", What: "an emergency rotation of the database and of all credentials in Mautic's own tables",
		on: withMautic, emergency: true, prepare: nothing, begin: rotateAtOnce, end: retiredInDays, next: retiredInDays,
	},
	{
		Name: "admin", What: "a rotation by a database administrator",
		on: byAdministrator, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "single", What: "a rotation of an account with one password at a time",
		on: singly, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
	{
		Name: "rds", What: "a rotation of the master user, by RDS",
		on: byRDS, prepare: nothing, begin: rotate, end: retired, next: retired,
	},
}

// refusesTasks tells whether logins of running tasks may fail.
func (s Scenario) refusesTasks() bool { return s.emergency || s.on.single }

// app is the scenario's application.
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

// getStuck starts a rotation that sets its password and gets no further.
func getStuck(ctx context.Context, r *rig.Rig) error {
	r.AWS.Intercept(func(c awswire.Call) awswire.Fault {
		if c.Caller.Step == "testSecret" {
			return awswire.Fault{Error: &awswire.Error{Code: "AccessDeniedException", Message: "stuck", Status: 400}}
		}
		return awswire.Fault{}
	})
	defer r.AWS.Intercept(nil)
	if _, err := r.Rotate(ctx); err == nil {
		return errors.New("the rotation that should get stuck has succeeded")
	}
	stuck, err := r.PasswordLabelled("AWSPENDING")
	if err != nil {
		return err
	}
	return r.Login(ctx, stuck)
}

// abandonByHand abandons a stuck rotation without the function's knowledge.
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

// rotate does what an operator does, also after a rotation has finally failed: a new
// request makes Secrets Manager resume the same version, unless the failed rotation left
// nothing pending.
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

// rotateAfterRefusal rotates, and again if that is refused: as long as the value of an
// abandoned rotation is still accepted, no other value replaces it.
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
		return rotate(ctx, r) // which continues the one that was begun
	}
	return r.AWS.SecretsManager.WaitRotation(ctx, r.SecretARN, token)
}

func settle(ctx context.Context, r *rig.Rig) error { return r.Settle(ctx) }

// settleInDays also lets the days pass for which an old API client is kept, once nothing
// else is open.
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

// settleImpatiently also reconciles in the middle of the rollout, as its events make the
// function do.
func settleImpatiently(ctx context.Context, r *rig.Rig) error {
	fault := r.Reconcile()
	if err := r.Settle(ctx); err != nil {
		return errors.Join(fault, err)
	}
	return nil
}

// settleRollback lets the time pass in which the application should have come up.
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

// edited is what is edited by hand meanwhile.
var edited = map[document.Pointer]string{"/site_url": "https://edited.example.com"}

// settleEditedRollback first edits the secret, if that has not been done.
func settleEditedRollback(ctx context.Context, r *rig.Rig) error {
	if err := edit(ctx, r); err != nil {
		return err
	}
	return settleRollback(ctx, r)
}

// settleEdited does the same for a rotation that succeeds.
func settleEdited(ctx context.Context, r *rig.Rig) error {
	if err := edit(ctx, r); err != nil {
		return err
	}
	return r.Settle(ctx)
}

// settleDeployed has CI deploy every service once all tasks are new.
func settleDeployed(ctx context.Context, r *rig.Rig) error {
	if err := r.WaitSteady(ctx); err != nil {
		return err
	}
	faults := []error{r.Reconcile()} // usually notes that the rollout has converged
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

// settleHeld lets the time pass in which nothing should use the old password any more.
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
	reconcileTime = time.Minute      // more than any ending needs
)

// reconcileUntil moves the clock past the end of the rollout, and reconciles until the
// wanted state is reached.
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
