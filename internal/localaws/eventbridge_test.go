package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
	localeventbridge "mautic-rotation/internal/localaws/eventbridge"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

func TestDeploymentEventsInvokeTheFunction(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Region: "eu-west-1", Clock: host.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	g := f.Target()
	f.SendEvents()
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run})
	f.AwaitStable()
	f.AwaitIdle()
	id := *f.DescribeService().Deployments[0].Id
	slices.SortFunc(g.Events, func(a, b localtest.TargetEvent) int { return -strings.Compare(a.Detail.EventName, b.Detail.EventName) })
	want := []struct{ name, reason string }{
		{"SERVICE_DEPLOYMENT_IN_PROGRESS", "ECS deployment " + id + " in progress."},
		{"SERVICE_DEPLOYMENT_COMPLETED", "ECS deployment " + id + " completed."},
	}
	if len(g.Events) != len(want) {
		t.Fatalf("got %+v", g.Events)
	}
	for i, e := range g.Events {
		if e.Version != "0" || len(e.ID) != 36 || e.DetailType != "ECS Deployment State Change" || e.Source != "aws.ecs" ||
			e.Account != "123456789012" || e.Region != "eu-west-1" || !strings.HasPrefix(e.Time, "2031-01-02T03:04:") ||
			!slices.Equal(e.Resources, []string{"arn:aws:ecs:eu-west-1:123456789012:service/default/web"}) {
			t.Errorf("%+v", e)
		}
		d := e.Detail
		if d.EventType != "INFO" || d.EventName != want[i].name || d.DeploymentID != id || d.Reason != want[i].reason ||
			!strings.HasPrefix(d.UpdatedAt, "2031-01-02T03:04:") {
			t.Errorf("%+v", d)
		}
	}
}

func TestAFailedDeploymentAndItsRollbackAreTold(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Target()
	f.SendEvents()
	var told []string
	f.EventBridge.Intercept(func(e localeventbridge.Event) localeventbridge.Fault {
		var p localtest.TargetEvent
		if err := json.Unmarshal(e.Payload, &p); err != nil || p.Detail.EventName != e.Name || p.Detail.DeploymentID != e.Deployment {
			t.Errorf("%v: %s", err, e.Payload)
		}
		told = append(told, p.Detail.EventType+" "+p.Detail.Reason)
		return localeventbridge.Fault{}
	})
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{
		Name: "web", CircuitBreaker: true, CircuitBreakerRollback: true, RestartDelay: time.Millisecond, Run: b.Run,
	})
	f.AwaitStable()
	old := *f.DescribeService().Deployments[0].Id
	b.Broken.Store(true)
	forced := *f.ForceDeployment().Id
	f.AwaitECS(func() bool { return *f.DescribeService().Deployments[0].Id == old })
	f.AwaitStable()
	f.AwaitIdle()
	want := []string{
		"INFO ECS deployment " + old + " in progress.",
		"INFO ECS deployment " + old + " completed.",
		"INFO ECS deployment " + forced + " in progress.",
		"ERROR ECS deployment circuit breaker: tasks failed to start.",
		"INFO ECS deployment circuit breaker: rolling back to deploymentId " + old + ".",
		"INFO ECS deployment " + old + " completed.",
	}
	if !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}

func TestADeploymentIsToldToHaveCompletedWhileOldTasksDrain(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Target()
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run, DrainTime: time.Hour})
	f.AwaitStable()
	f.SendEvents()
	f.ForceDeployment()
	_, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		d, ok := e.(localeventbridge.Delivered)
		return ok && d.Event.Name == "SERVICE_DEPLOYMENT_COMPLETED"
	})
	if err != nil {
		t.Fatal(err)
	}
	if draining := f.ListTasks(types.DesiredStatusStopped); len(draining) != 1 || *draining[0].LastStatus == "STOPPED" {
		t.Errorf("%+v", draining)
	}
}

func TestARuleSendsTheEventsOfItsServicesOnly(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	g := f.Target()
	f.SendEvents("arn:aws:ecs:us-east-1:123456789012:service/default/cron", "arn:aws:ecs:us-east-1:123456789012:service/default/job")
	for _, name := range []string{"web", "cron"} {
		f.RunService(localecs.Service{Name: name, Run: new(localtest.App).Run})
		if err := f.ECS.WaitService(f.Ctx, "", name); err != nil {
			t.Fatal(err)
		}
	}
	f.RunService(localecs.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY", Run: new(localtest.App).Run})
	f.AwaitIdle()
	if len(g.Events) != 2 || !strings.HasSuffix(g.Events[0].Resources[0], "/cron") || !strings.HasSuffix(g.Events[1].Resources[0], "/cron") {
		t.Errorf("got %+v", g.Events)
	}
}

func TestEventsNeedAFunction(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, err := f.EventBridge.Schedule("none", time.Hour, nil)
	for _, err := range []error{err, f.EventBridge.SendEvents("none")} {
		if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != "ResourceNotFoundException" {
			t.Errorf("got %v", err)
		}
	}
}

func TestEventsAreLostDoubledOrHeldUp(t *testing.T) {
	t.Parallel()
	const inProgress, completed = "IN_PROGRESS", "COMPLETED"
	for name, c := range map[string]struct {
		fault  func(f *fixture) (fault localeventbridge.Fault, letGo func())
		before []string // names until it is let go
		after  []string
	}{
		"lost": {
			func(*fixture) (localeventbridge.Fault, func()) { return localeventbridge.Fault{Lose: true}, func() {} },
			[]string{completed}, []string{completed},
		},
		"doubled": {
			func(*fixture) (localeventbridge.Fault, func()) { return localeventbridge.Fault{Twice: true}, func() {} },
			[]string{completed, inProgress, inProgress}, []string{completed, inProgress, inProgress},
		},
		"overtaken": {
			func(*fixture) (localeventbridge.Fault, func()) {
				c := make(chan struct{})
				return localeventbridge.Fault{Late: c}, func() { close(c) }
			},
			[]string{completed}, []string{completed, inProgress},
		},
		"delayed": {
			func(f *fixture) (localeventbridge.Fault, func()) {
				return localeventbridge.Fault{Delay: time.Hour}, func() { f.Clock().Advance(time.Hour) }
			},
			[]string{completed}, []string{completed, inProgress},
		},
		"doubled, and once late": {
			func(*fixture) (localeventbridge.Fault, func()) {
				c := make(chan struct{})
				return localeventbridge.Fault{Twice: true, Late: c}, func() { close(c) }
			},
			[]string{completed, inProgress}, []string{completed, inProgress, inProgress},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{})
			g := f.Target()
			f.SendEvents()
			fault, letGo := c.fault(f)
			f.EventBridge.Intercept(func(e localeventbridge.Event) localeventbridge.Fault {
				if e.Name == "SERVICE_DEPLOYMENT_IN_PROGRESS" {
					return fault
				}
				return localeventbridge.Fault{}
			})
			f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run})
			f.AwaitStable()
			f.AwaitIdle()
			if got := slices.Sorted(slices.Values(g.Names())); !slices.Equal(got, c.before) {
				t.Errorf("got %q, want %q", got, c.before)
			}
			letGo()
			f.AwaitIdle()
			if got := slices.Sorted(slices.Values(g.Names())); !slices.Equal(got, c.after) {
				t.Errorf("once let go: %q, want %q", got, c.after)
			}
		})
	}
}

func TestAnEventsDeliveryTellsHowTheFunctionEnded(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Function(locallambda.Function{Name: "fn", Timeout: 20 * time.Second})
	for payload, want := range map[string]string{
		`{"Do":"echo","Text":"hi"}`: `"text":"hi"`,
		`{"Do":"fail","Text":"no"}`: `"errorMessage":"no"`,
	} {
		stop, err := f.EventBridge.Schedule("fn", time.Hour, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		f.Clock().Advance(time.Hour)
		f.AwaitIdle()
		stop()
		log := f.Events()
		i := slices.IndexFunc(log, func(e host.Event) bool {
			d, ok := e.(localeventbridge.Delivered)
			return ok && string(d.Event.Payload) == payload
		})
		if i < 0 {
			t.Fatalf("%s was not delivered", payload)
		}
		d := log[i].(localeventbridge.Delivered)
		if d.Err != nil || !strings.Contains(string(d.Result.Payload), want) || (d.Result.FunctionError != "") != strings.Contains(payload, "fail") {
			t.Errorf("%+v %s", d, d.Result.Payload)
		}
	}
}

func TestAScheduleFollowsTheClock(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Clock: host.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	g := f.Target()
	stop, err := f.EventBridge.Schedule("fn", 15*time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		advance time.Duration
		fired   int
	}{
		{14 * time.Minute, 0},
		{time.Minute, 1},
		{15 * time.Minute, 2},
		{24 * time.Hour, 3}, // once, however many times were passed
		{15 * time.Minute, 4},
	} {
		f.Clock().Advance(c.advance)
		f.AwaitIdle()
		if len(g.Events) != c.fired {
			t.Errorf("after another %v it has fired %d times, want %d", c.advance, len(g.Events), c.fired)
		}
	}
	e := g.Events[0]
	if e.DetailType != "Scheduled Event" || e.Source != "aws.events" || !strings.HasPrefix(e.Time, "2031-01-02T03:19:") ||
		!strings.HasPrefix(e.Resources[0], "arn:aws:events:us-east-1:123456789012:rule/") || e.Detail.EventName != "" {
		t.Errorf("%+v", e)
	}
	stop()
	f.Clock().Advance(time.Hour)
	f.AwaitIdle()
	if len(g.Events) != 4 {
		t.Error("it fired after its end")
	}
	if _, err := f.EventBridge.Schedule("fn", 0, nil); err == nil {
		t.Error("a schedule without an interval")
	}
}

func TestAScheduleFiresInRealTimeToo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Target()
	if _, err := f.EventBridge.Schedule("fn", 5*time.Millisecond, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		if _, ok := e.(localeventbridge.Delivered); ok {
			n++
		}
		return n == 3
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestIdleMeansThatNoAsynchronousInvocationIsUnderWay(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	release := make(chan struct{})
	f.Handler(locallambda.Function{Name: "fn", Timeout: time.Minute, Handler: func(context.Context, []byte) ([]byte, error) {
		<-release
		return nil, nil
	}})
	f.InvokeHTTP("fn", "Event", `{}`)
	ctx, cancel := context.WithCancelCause(f.Ctx)
	cause := errors.New("no patience")
	cancel(cause)
	if err := f.EventBridge.WaitIdle(ctx); !errors.Is(err, cause) {
		t.Errorf("while it runs: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- f.EventBridge.WaitIdle(f.Ctx) }()
	close(release)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	f.Close()
	if err := f.EventBridge.WaitIdle(f.Ctx); !errors.Is(err, host.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestClosingEndsWhatIsHeldUp(t *testing.T) {
	t.Parallel()
	clock := new(host.Clock)
	f := start(t, localaws.Options{Clock: clock})
	g := f.Target()
	f.SendEvents()
	f.EventBridge.Intercept(func(e localeventbridge.Event) localeventbridge.Fault {
		if e.Name == "SERVICE_DEPLOYMENT_COMPLETED" {
			return localeventbridge.Fault{Delay: time.Hour}
		}
		return localeventbridge.Fault{Late: make(chan struct{})}
	})
	if _, err := f.EventBridge.Schedule("fn", time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run})
	f.AwaitStable()
	f.AwaitIdle()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	clock.Advance(2 * time.Hour)
	if len(g.Names()) != 0 {
		t.Errorf("got %q", g.Names())
	}
}
