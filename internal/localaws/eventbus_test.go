package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
)

// target is a function that keeps the events that it is invoked with.
type target struct {
	mu     sync.Mutex
	events []event
}

type event struct {
	Version, ID, Source, Account, Time, Region string
	DetailType                                 string `json:"detail-type"`
	Resources                                  []string
	Detail                                     struct{ EventType, EventName, DeploymentID, UpdatedAt, Reason string }
}

func (g *target) handle(_ context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, e)
	return nil, nil
}

// names lists the deployment events so far. Their order is that of invocations which may overlap.
func (g *target) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for _, e := range g.events {
		names = append(names, strings.TrimPrefix(e.Detail.EventName, "SERVICE_DEPLOYMENT_"))
	}
	return names
}

// target registers a function that keeps its events.
func (f *fixture) target() *target {
	g := new(target)
	f.handler(localaws.Function{Name: "fn", Handler: g.handle})
	return g
}

func (f *fixture) idle() {
	f.t.Helper()
	if err := f.WaitIdle(f.ctx); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) sendEvents(services ...string) {
	f.t.Helper()
	if err := f.SendEvents("fn", services...); err != nil {
		f.t.Fatal(err)
	}
}

func TestDeploymentEventsInvokeTheFunction(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Region: "eu-west-1", Clock: localaws.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	g := f.target()
	f.sendEvents()
	f.service(localaws.Service{Name: "web", Run: new(app).run})
	f.stable()
	f.idle()
	id := *f.describeService().Deployments[0].Id
	slices.SortFunc(g.events, func(a, b event) int { return -strings.Compare(a.Detail.EventName, b.Detail.EventName) })
	want := []struct{ name, reason string }{
		{"SERVICE_DEPLOYMENT_IN_PROGRESS", "ECS deployment " + id + " in progress."},
		{"SERVICE_DEPLOYMENT_COMPLETED", "ECS deployment " + id + " completed."},
	}
	if len(g.events) != len(want) {
		t.Fatalf("got %+v", g.events)
	}
	for i, e := range g.events {
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
	f.target()
	f.sendEvents()
	var told []string
	f.InterceptEvents(func(e localaws.BusEvent) localaws.EventFault {
		var p event
		if err := json.Unmarshal(e.Payload, &p); err != nil || p.Detail.EventName != e.Name || p.Detail.DeploymentID != e.Deployment {
			t.Errorf("%v: %s", err, e.Payload)
		}
		told = append(told, p.Detail.EventType+" "+p.Detail.Reason)
		return localaws.EventFault{}
	})
	b := new(brittle)
	f.service(localaws.Service{
		Name: "web", CircuitBreaker: true, CircuitBreakerRollback: true, RestartDelay: time.Millisecond, Run: b.run,
	})
	f.stable()
	old := *f.describeService().Deployments[0].Id
	b.broken.Store(true)
	forced := *f.force().Id
	f.await(func() bool { return *f.describeService().Deployments[0].Id == old })
	f.stable()
	f.idle()
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
	f.target()
	f.service(localaws.Service{Name: "web", Run: new(app).run, DrainTime: time.Hour})
	f.stable()
	f.sendEvents()
	f.force()
	_, err := f.WaitEvent(f.ctx, func(e localaws.Event) bool {
		d, ok := e.(localaws.EventDelivered)
		return ok && d.Event.Name == "SERVICE_DEPLOYMENT_COMPLETED"
	})
	if err != nil {
		t.Fatal(err)
	}
	if draining := f.list(types.DesiredStatusStopped); len(draining) != 1 || *draining[0].LastStatus == "STOPPED" {
		t.Errorf("%+v", draining)
	}
}

func TestARuleSendsTheEventsOfItsServicesOnly(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	g := f.target()
	f.sendEvents("arn:aws:ecs:us-east-1:123456789012:service/default/cron", "arn:aws:ecs:us-east-1:123456789012:service/default/job")
	for _, name := range []string{"web", "cron"} {
		f.service(localaws.Service{Name: name, Run: new(app).run})
		if err := f.WaitService(f.ctx, "", name); err != nil {
			t.Fatal(err)
		}
	}
	f.service(localaws.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY", Run: new(app).run})
	f.idle()
	if len(g.events) != 2 || !strings.HasSuffix(g.events[0].Resources[0], "/cron") || !strings.HasSuffix(g.events[1].Resources[0], "/cron") {
		t.Errorf("got %+v", g.events)
	}
}

func TestEventsNeedAFunction(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, err := f.Schedule("none", time.Hour, nil)
	for _, err := range []error{err, f.SendEvents("none")} {
		if e, ok := errors.AsType[*localaws.Error](err); !ok || e.Code != "ResourceNotFoundException" {
			t.Errorf("got %v", err)
		}
	}
}

func TestEventsAreLostDoubledOrHeldUp(t *testing.T) {
	t.Parallel()
	const inProgress, completed = "IN_PROGRESS", "COMPLETED"
	for name, c := range map[string]struct {
		fault  func(f *fixture) (fault localaws.EventFault, letGo func())
		before []string // names until it is let go
		after  []string
	}{
		"lost": {
			func(*fixture) (localaws.EventFault, func()) { return localaws.EventFault{Lose: true}, func() {} },
			[]string{completed}, []string{completed},
		},
		"doubled": {
			func(*fixture) (localaws.EventFault, func()) { return localaws.EventFault{Twice: true}, func() {} },
			[]string{completed, inProgress, inProgress}, []string{completed, inProgress, inProgress},
		},
		"overtaken": {
			func(*fixture) (localaws.EventFault, func()) {
				c := make(chan struct{})
				return localaws.EventFault{Late: c}, func() { close(c) }
			},
			[]string{completed}, []string{completed, inProgress},
		},
		"delayed": {
			func(f *fixture) (localaws.EventFault, func()) {
				return localaws.EventFault{Delay: time.Hour}, func() { f.Clock().Advance(time.Hour) }
			},
			[]string{completed}, []string{completed, inProgress},
		},
		"doubled, and once late": {
			func(*fixture) (localaws.EventFault, func()) {
				c := make(chan struct{})
				return localaws.EventFault{Twice: true, Late: c}, func() { close(c) }
			},
			[]string{completed, inProgress}, []string{completed, inProgress, inProgress},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{})
			g := f.target()
			f.sendEvents()
			fault, letGo := c.fault(f)
			f.InterceptEvents(func(e localaws.BusEvent) localaws.EventFault {
				if e.Name == "SERVICE_DEPLOYMENT_IN_PROGRESS" {
					return fault
				}
				return localaws.EventFault{}
			})
			f.service(localaws.Service{Name: "web", Run: new(app).run})
			f.stable()
			f.idle()
			if got := slices.Sorted(slices.Values(g.names())); !slices.Equal(got, c.before) {
				t.Errorf("got %q, want %q", got, c.before)
			}
			letGo()
			f.idle()
			if got := slices.Sorted(slices.Values(g.names())); !slices.Equal(got, c.after) {
				t.Errorf("once let go: %q, want %q", got, c.after)
			}
		})
	}
}

func TestAnEventsDeliveryTellsHowTheFunctionEnded(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.function(localaws.Function{Name: "fn", Timeout: 20 * time.Second})
	for payload, want := range map[string]string{
		`{"Do":"echo","Text":"hi"}`: `"text":"hi"`,
		`{"Do":"fail","Text":"no"}`: `"errorMessage":"no"`,
	} {
		stop, err := f.Schedule("fn", time.Hour, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		f.Clock().Advance(time.Hour)
		f.idle()
		stop()
		log := f.Events()
		i := slices.IndexFunc(log, func(e localaws.Event) bool {
			d, ok := e.(localaws.EventDelivered)
			return ok && string(d.Event.Payload) == payload
		})
		if i < 0 {
			t.Fatalf("%s was not delivered", payload)
		}
		d := log[i].(localaws.EventDelivered)
		if d.Err != nil || !strings.Contains(string(d.Result.Payload), want) || (d.Result.FunctionError != "") != strings.Contains(payload, "fail") {
			t.Errorf("%+v %s", d, d.Result.Payload)
		}
	}
}

func TestAScheduleFollowsTheClock(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Clock: localaws.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	g := f.target()
	stop, err := f.Schedule("fn", 15*time.Minute, nil)
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
		f.idle()
		if len(g.events) != c.fired {
			t.Errorf("after another %v it has fired %d times, want %d", c.advance, len(g.events), c.fired)
		}
	}
	e := g.events[0]
	if e.DetailType != "Scheduled Event" || e.Source != "aws.events" || !strings.HasPrefix(e.Time, "2031-01-02T03:19:") ||
		!strings.HasPrefix(e.Resources[0], "arn:aws:events:us-east-1:123456789012:rule/") || e.Detail.EventName != "" {
		t.Errorf("%+v", e)
	}
	stop()
	f.Clock().Advance(time.Hour)
	f.idle()
	if len(g.events) != 4 {
		t.Error("it fired after its end")
	}
	if _, err := f.Schedule("fn", 0, nil); err == nil {
		t.Error("a schedule without an interval")
	}
}

func TestAScheduleFiresInRealTimeToo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.target()
	if _, err := f.Schedule("fn", 5*time.Millisecond, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err := f.WaitEvent(f.ctx, func(e localaws.Event) bool {
		if _, ok := e.(localaws.EventDelivered); ok {
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
	f.handler(localaws.Function{Name: "fn", Timeout: time.Minute, Handler: func(context.Context, []byte) ([]byte, error) {
		<-release
		return nil, nil
	}})
	f.invoke("fn", "Event", `{}`)
	ctx, cancel := context.WithCancelCause(f.ctx)
	cause := errors.New("no patience")
	cancel(cause)
	if err := f.WaitIdle(ctx); !errors.Is(err, cause) {
		t.Errorf("while it runs: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- f.WaitIdle(f.ctx) }()
	close(release)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	f.Close()
	if err := f.WaitIdle(f.ctx); !errors.Is(err, localaws.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestClosingEndsWhatIsHeldUp(t *testing.T) {
	t.Parallel()
	clock := new(localaws.Clock)
	f := start(t, localaws.Options{Clock: clock})
	g := f.target()
	f.sendEvents()
	f.InterceptEvents(func(e localaws.BusEvent) localaws.EventFault {
		if e.Name == "SERVICE_DEPLOYMENT_COMPLETED" {
			return localaws.EventFault{Delay: time.Hour}
		}
		return localaws.EventFault{Late: make(chan struct{})}
	})
	if _, err := f.Schedule("fn", time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	f.service(localaws.Service{Name: "web", Run: new(app).run})
	f.stable()
	f.idle()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	clock.Advance(2 * time.Hour)
	if len(g.names()) != 0 {
		t.Errorf("got %q", g.names())
	}
}
