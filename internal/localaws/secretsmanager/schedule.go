package secretsmanager

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RotationRules is when a secret is to be rotated: every so many days, or by an expression.
type RotationRules struct {
	AutomaticallyAfterDays int    `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

// rotationConfig is the rotation of one secret. It is a plain value, copied with the secret; rules are never changed in
// place.
type rotationConfig struct {
	configured bool // ever
	enabled    bool
	function   string // ARN
	rules      *RotationRules

	window window    // in which the next scheduled rotation starts; zero without a schedule
	next   time.Time // NextRotationDate, which may lag behind the window
	days   int       // between rotations, worked out after the latest; 0 if it had no schedule
}

// A window is the time in which a scheduled rotation starts.
type window struct{ start, end time.Time }

// A schedule tells the windows of a rotation.
type schedule interface {
	// after is the first window that follows a rotation at t.
	after(t time.Time) window
}

// advance sets the window and the date by a rotation at now.
func (c *rotationConfig) advance(now time.Time) {
	c.advanceWindow(now)
	c.next = c.window.end
}

// described is the rules as DescribeSecret shows them: with a schedule expression, AutomaticallyAfterDays is what came
// of it after the latest rotation.
func (c *rotationConfig) described() *RotationRules {
	if c.rules == nil || c.rules.ScheduleExpression == "" || c.days == 0 {
		return c.rules
	}
	rules := *c.rules
	rules.AutomaticallyAfterDays = c.days
	return &rules
}

// advanceWindow sets the next window only: after a failure AWS leaves the date as it was, in the past.
func (c *rotationConfig) advanceWindow(now time.Time) {
	c.window = window{}
	if plan, err := parseRules(c.rules); err == nil && plan != nil {
		c.window = plan.after(now)
	}
}

// reschedule tells when the next scheduled rotation of a secret is due. The caller holds the lock.
func (c *Core) reschedule(r *record) {
	rotation := r.state.rotation
	switch {
	case !rotation.enabled || rotation.window.start.IsZero():
		c.schedule(r, time.Time{})
	case c.variants.Load().RotateLateInWindow:
		c.schedule(r, rotation.window.end.Add(-time.Minute))
	default:
		c.schedule(r, rotation.window.start)
	}
}

func (c *Core) schedule(r *record, start time.Time) {
	if c.hooks.Scheduled != nil {
		c.hooks.Scheduled(r.state.arn, start)
	}
}

// RotateOnSchedule starts the scheduled rotation that is due, if one is. A rotation that is not complete is taken up again
// instead.
func (c *Core) RotateOnSchedule(secretARN string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(secretARN)
	if err != nil || !r.state.due(c.env.Now()) {
		return
	}
	c.amend(r, func(s *secret) { s.rotation.advanceWindow(c.env.Now()) })
	c.reschedule(r)
	switch v := r.state.pendingElsewhere(); {
	case r.rotation != nil:
	case v != nil:
		c.start(r, v.id, false)
	default:
		token := c.env.Random.UUID()
		if err := c.begin(r, token); err != nil { // no room for its label
			c.env.Emit(RotationEvent{At: c.env.Now(), Name: RotationFailed, Secret: secretARN, Token: token, Err: err})
		}
	}
}

// due tells whether the window of a scheduled rotation has begun.
func (s *secret) due(now time.Time) bool {
	start := s.rotation.window.start
	return s.rotation.enabled && !start.IsZero() && !now.Before(start) && s.deletion.IsZero()
}

var (
	rateExpression = regexp.MustCompile(`^rate\((?:(1) (hour|day)|([2-9]|[1-9]\d+) (hours|days))\)$`) // one is singular, all else is plural
	cronExpression = regexp.MustCompile(`^cron\((.*)\)$`)
	windowDuration = regexp.MustCompile(`^(\d{1,2})h$`)
)

// parseRules understands rotation rules and checks them as RotateSecret does. No rules mean no schedule, which is nil.
func parseRules(rules *RotationRules) (schedule, error) {
	if rules == nil {
		return nil, nil
	}
	days, expression := rules.AutomaticallyAfterDays, rules.ScheduleExpression
	if days != 0 && expression != "" {
		return nil, invalidParameter("You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules.")
	}
	if expression == "" && (days < 1 || days > 1000) {
		return nil, invalidParameter("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
	}
	length, err := parseDuration(rules.Duration)
	if err != nil {
		return nil, err
	}
	if expression == "" {
		return everyDays{days, length}, nil
	}
	if f := rateExpression.FindStringSubmatch(expression); f != nil {
		n, err := strconv.Atoi(f[1] + f[3])
		return rate(n, strings.HasPrefix(f[2]+f[4], "hour"), length, err)
	}
	if f := cronExpression.FindStringSubmatch(expression); f != nil {
		return parseCron(f[1], length)
	}
	return nil, invalidParameter("The ScheduleExpression %s isn't a valid cron() or rate() expression.", expression)
}

// parseDuration reads the length of a window, in whole hours; 0 stands for the default.
func parseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	f := windowDuration.FindStringSubmatch(text)
	if f == nil || f[1] == "0" || f[1] == "00" {
		return 0, invalidParameter("The Duration %s must be a number of hours of at least one, such as 3h.", text)
	}
	hours, _ := strconv.Atoi(f[1])
	if hours > 24 {
		return 0, errWindowTooLong
	}
	return time.Duration(hours) * time.Hour, nil
}

var errWindowTooLong = invalidParameter("The rotation window must not extend into the next rotation window or the next UTC day.")

func rate(n int, hours bool, length time.Duration, err error) (schedule, error) {
	switch {
	case err != nil || n == 0:
		return nil, invalidParameter("The rate in ScheduleExpression must be a positive number.")
	case hours && n < 4:
		return nil, invalidParameter("The shortest rotation interval is 4 hours.")
	case hours && length > time.Duration(n)*time.Hour:
		return nil, errWindowTooLong
	case hours:
		return everyHours{n, length}, nil
	case n > 999:
		return nil, invalidParameter("The longest rotation interval is 999 days.")
	}
	return everyDays{n, length}, nil
}

// everyDays has a window that begins at midnight, so many days after the rotation before.
type everyDays struct {
	days   int
	length time.Duration
}

func (e everyDays) after(t time.Time) window {
	return windowAt(t.UTC().Truncate(24*time.Hour).AddDate(0, 0, e.days), e.length, false)
}

// everyHours has a window that begins on the hour, so many hours after the rotation before.
type everyHours struct {
	hours  int
	length time.Duration
}

func (e everyHours) after(t time.Time) window {
	return windowAt(t.UTC().Truncate(time.Hour).Add(time.Duration(e.hours)*time.Hour), e.length, true)
}

// windowAt ends a window that begins at start: after the length asked for, or else, for a schedule in hours, after one
// hour, and for one in days with the UTC day.
func windowAt(start time.Time, length time.Duration, hourly bool) window {
	switch {
	case length > 0:
	case hourly:
		length = time.Hour
	default:
		length = start.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second).Sub(start)
	}
	return window{start, start.Add(length)}
}
