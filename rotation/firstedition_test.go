package rotation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/document"
)

// A stack that is updated in the middle of an overlap has labels of the first
// edition, which tell of a version's kinds together.

// another stores a version with the next value of each kind, under a label.
func (e *engine) another(label string) (id string) {
	e.t.Helper()
	doc, err := document.Parse(e.version("AWSCURRENT").Value)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, k := range []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook} {
		if doc, err = doc.Replace(k.field(), k.name+"-1"); err != nil {
			e.t.Fatal(err)
		}
	}
	value := doc.Raw()
	out, err := e.secrets.PutSecretValue(e.t.Context(), &sm.PutSecretValueInput{SecretId: &e.arn, SecretString: &value, VersionStages: []string{label}})
	if err != nil {
		e.t.Fatal(err)
	}
	return *out.VersionId
}

// put puts a label on a version.
func (e *engine) put(label, id string) {
	e.t.Helper()
	_, err := e.secrets.UpdateSecretVersionStage(e.t.Context(), &sm.UpdateSecretVersionStageInput{SecretId: &e.arn, VersionStage: &label, MoveToVersionId: &id})
	if err != nil {
		e.t.Fatal(err)
	}
}

// bothAccepted are the targets once a rotation has been set.
func (e *engine) bothAccepted() {
	e.database.accept("database-0", "database-1")
	e.api.accept("api-0", "api-1")
	e.admin.accept("admin-1")
	e.webhook.accept("webhook-1")
}

// since is the word of a label for a redeploy that began now, as it has in ECS.
func (e *engine) since() string {
	now := e.aws.Clock().Now().UTC().Truncate(time.Millisecond)
	e.services.deployed = now.Add(time.Second)
	e.aws.Clock().Advance(time.Minute)
	return ";since=" + now.Format(time.RFC3339Nano)
}

// promotedByFirstEdition is a secret whose current version was promoted over
// another, which has the label. Its own words come in place of $next and $since.
func (e *engine) promotedByFirstEdition(label string) (current string) {
	e.t.Helper()
	old := e.version("AWSCURRENT").ID
	current = e.another("AWSCURRENT")
	e.bothAccepted()
	label = strings.Replace(label, "$next", ";of="+old+";next="+current, 1)
	if words, more, begun := strings.Cut(label, "$since"); begun {
		label = words + e.since() + more
	}
	e.put(label, old)
	return current
}

func (e *engine) redeployed(times int) {
	e.t.Helper()
	if e.services.times != times {
		e.t.Errorf("%d redeploys, want %d", e.services.times, times)
	}
}

func TestWhatTheFirstEditionLeftOpenComesToItsEndAndNothingIsRedeployedTwice(t *testing.T) {
	t.Parallel()
	overNow := func(e *engine, redeploys int) {
		e.t.Helper()
		e.reconcile()
		e.expect("database-1", "api-0 api-1", "admin-1")
		e.aws.Clock().Advance(8 * day)
		e.reconcile()
		e.reconcile()
		e.expect("database-1", "api-1", "admin-1")
		e.closed()
		e.redeployed(redeploys)
	}
	for name, do := range map[string]func(*engine){
		"in the middle of an overlap": func(e *engine) {
			e.promotedByFirstEdition("rotation;old$next;live=api,database$since")
			e.services.stale = true
			e.reconcile()
			e.expect("database-0 database-1", "api-0 api-1", "admin-1")
			e.services.stale = false
			overNow(e, 0)
		},
		"in the middle of an overlap that does not come up": func(e *engine) {
			e.promotedByFirstEdition("rotation;old$next;live=admin,api,database,webhook$since")
			e.services.failing = true
			e.reconcile()
			e.currentHolds("database-0", "admin-0")
			e.services.failing = false
			e.reconcile()
			e.expect("database-0", "api-0", "admin-0")
			e.redeployed(1) // back to the old values
		},
		"before the redeploy": func(e *engine) {
			e.promotedByFirstEdition("rotation;old$next;live=api,database")
			e.services.stale = true
			for range 2 {
				e.reconcile()
				e.expect("database-0 database-1", "api-0 api-1", "admin-1")
				e.redeployed(1)
			}
			e.services.stale = false
			overNow(e, 1)
		},
		"one kind retired": func(e *engine) {
			e.promotedByFirstEdition("rotation;old$next;live=api;gone=database$since")
			e.database.accept("database-1")
			overNow(e, 0)
		},
		"quarantined": func(e *engine) {
			e.promotedByFirstEdition("rotation;quarantined$next;live=api,database;closing=database$since")
			e.database.accept("database-1")
			overNow(e, 0)
		},
		"quarantined, and missed": func(e *engine) {
			e.promotedByFirstEdition("rotation;quarantined$next;live=api,database;closing=database$since")
			e.database.accept("database-1")
			e.database.use = missed
			e.reconcile()
			e.expect("database-0 database-1", "api-0 api-1", "admin-1")
			e.isHeld()
			e.redeployed(0)
		},
		"held": func(e *engine) {
			e.promotedByFirstEdition("rotation;held$next;live=database$since;n=4")
			for range 2 {
				e.reconcile()
				e.isHeld()
				e.redeployed(0)
			}
			e.expect("database-0 database-1", "api-0 api-1", "admin-1")
			e.api.accept("api-1")
			if err := e.release(); err != nil {
				e.t.Error(err)
			}
			e.reconcile()
			e.expect("database-1", "api-1", "admin-1")
			e.closed()
			e.redeployed(1) // as a release does
		},
		"set and pending": func(e *engine) {
			e.before = func(step rotation.Step) error {
				if step == rotation.SetSecret {
					return errors.New("the stack is being updated")
				}
				return nil
			}
			e.fails(e.rotate(uuid), "the stack is being updated")
			e.before = nil
			for _, label := range e.version("AWSPENDING").Labels {
				if strings.HasPrefix(label, "rotation;") {
					e.takeLabelOff(label, uuid)
				}
			}
			e.put("rotation;set;of="+uuid+";live=admin,api,database,webhook"+e.since(), uuid)
			e.reconcile()
			e.redeployed(0)
			for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
				if err := e.invoke(step, uuid); err != nil {
					e.t.Fatalf("%s: %v", step, err)
				}
			}
			e.takeLabelOff("AWSPENDING", uuid)
			e.currentHolds("database-1", "admin-1")
			overNow(e, 1)
		},
		"set and given up": func(e *engine) {
			id := e.another("DRAFT")
			e.bothAccepted()
			e.put("rotation;set;of="+id+";live=admin,api,database,webhook"+e.since(), id)
			e.reconcile()
			e.expect("database-0", "api-0", "admin-0")
			e.closed()
			e.redeployed(0)
		},
		"rolled back, and tasks with the bad values are left": func(e *engine) {
			bad := e.promotedByFirstEdition("DRAFT")
			e.goBack()
			e.admin.accept("admin-0")
			e.webhook.accept("webhook-0")
			e.put("rotation;rolled-back;of="+bad+";live=api,database;next="+e.version("AWSCURRENT").ID+e.since(), bad)
			e.services.stale = true
			e.reconcile()
			e.expect("database-0 database-1", "api-0 api-1", "admin-0")
			e.services.stale = false
			e.reconcile()
			e.expect("database-0", "api-0", "admin-0")
			e.redeployed(0)
			if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=failed") {
				e.t.Errorf("the schedule is not held off: the journal says %s", journal)
			}
		},
		"rolled back, before the redeploy": func(e *engine) {
			bad := e.promotedByFirstEdition("DRAFT")
			e.goBack()
			e.admin.accept("admin-0")
			e.webhook.accept("webhook-0")
			e.put("rotation;rolled-back;of="+bad+";live=api,database;next="+e.version("AWSCURRENT").ID, bad)
			e.reconcile()
			e.reconcile()
			e.expect("database-0", "api-0", "admin-0")
			e.redeployed(1)
		},
		"rolled back and refused": func(e *engine) {
			id := e.another("DRAFT")
			e.put("rotation;failed;of="+id+";live="+e.since(), id)
			e.reconcile()
			e.expect("database-0", "api-0", "admin-0")
			if journal := strings.Join(e.journal(), " "); journal != "all=failed" {
				e.t.Errorf("the journal says %s", journal)
			}
			if err := e.release(); err != nil {
				e.t.Error(err)
			}
			e.closed()
			e.redeployed(0)
		},
		"an emergency whose old values are not taken away yet": func(e *engine) {
			e.promotedByFirstEdition("rotation;old$next;live=api,database;emergency=2026-11-22T21:04:05Z$since")
			e.services.stale = true
			e.reconcile()
			e.expect("database-1", "api-1", "admin-1")
			e.services.stale = false
			e.reconcile()
			e.closed()
			e.redeployed(0)
		},
		"an emergency before its redeploy": func(e *engine) {
			e.promotedByFirstEdition("rotation;old$next;live=api,database;emergency=2026-11-22T21:04:05Z")
			e.reconcile()
			e.reconcile()
			e.expect("database-1", "api-1", "admin-1")
			e.closed()
			e.redeployed(1)
		},
	} {
		t.Run(name, func(t *testing.T) { do(newEngine(t)) })
	}
}

func TestAReconcileBesideTheFirstRotationOfASecretBeginsNoRollout(t *testing.T) {
	e := newEngine(t)
	e.beforeStep(rotation.SetSecret, func() error {
		e.reconcile()
		return nil
	})
	e.mustRotate()
	e.redeployed(1)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	e.redeployed(1)
}
