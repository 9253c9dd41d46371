package rotation_test

import (
	"strings"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/plan"
)

// dueAtOnce has the schedule rotate each kind each time.
func (e *engine) dueAtOnce() {
	every := map[string]time.Duration{}
	for _, name := range []string{"database", "api", "admin", "webhook"} {
		every[name] = time.Hour
	}
	e.reconfigure(func(c *rotation.Config) { c.Every = every })
}

func TestAPausedScheduleChangesNothingAndARotationByHandDoes(t *testing.T) {
	t.Parallel()
	for value, says := range map[string]string{
		"until resumed": "until it is resumed",
		"next week":     "counts as paused, since its tag",
		"":              "", // a time that is to come
	} {
		t.Run(value, func(t *testing.T) {
			e := newEngine(t)
			e.dueAtOnce()
			e.mustRotate()
			e.closeAll()
			e.due()
			if value == "" {
				until := e.aws.Clock().Now().Add(5 * day).UTC().Format(time.RFC3339)
				value, says = until, "paused the schedule until "+until
			}
			e.tag(value)
			current := e.version("AWSCURRENT").Value
			e.mustRotate() // it is the schedule's time
			if now := e.version("AWSCURRENT").Value; now != current {
				t.Errorf("something was rotated: %s", e.log.String())
			}
			e.logSays("nothing is rotated: ")
			e.logSays(says)
			e.logSays("to resume")
			if strings.Contains(says, "no time") {
				e.logSays("level=WARN")
			}
			e.nothingPending()

			// Words are a person's, at whatever time.
			e.mustRotateWith("only.admin." + uuid)
			e.currentHolds("database-1", "admin-2")
			e.closeAll()
			if err := e.rotate("emergency." + uuid); err != nil {
				t.Fatal(err)
			}
			e.currentHolds("database-2", "admin-3")
		})
	}
}

func TestAScheduleGoesOnOnceItsPauseIsOverOrTakenOff(t *testing.T) {
	e := newEngine(t)
	e.dueAtOnce()
	e.mustRotate()
	e.closeAll()
	e.due()
	e.tag(e.aws.Clock().Now().Add(-time.Minute).UTC().Format(time.RFC3339))
	e.mustRotate()
	e.currentHolds("database-2", "admin-2")
	e.closeAll()

	e.due()
	e.tag(plan.UntilResumed)
	e.mustRotate()
	e.currentHolds("database-2", "admin-2")
	if _, err := e.secrets.UntagResource(t.Context(), &sm.UntagResourceInput{SecretId: &e.arn, TagKeys: []string{plan.PauseTag}}); err != nil {
		t.Fatal(err)
	}
	e.due()
	e.mustRotate()
	e.currentHolds("database-3", "admin-3")
}
