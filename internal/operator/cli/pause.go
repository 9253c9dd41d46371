package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

// pauseTag is the key of the tag that pauses a secret's schedule. Its value is a time in RFC 3339, or
// untilResumed.
const (
	pauseTag     = "mautic-rotation:paused-until"
	untilResumed = "until resumed"
)

type pauseCommand struct {
	Until string `placeholder:"DATE" help:"When the pause ends by itself: 2026-12-24, 2026-12-24T18:00 or 14d. Default: when you run resume."`
	Yes   bool   `short:"y" help:"Do not ask."`
}

func (c pauseCommand) Run(r *run) error {
	if _, err := r.moment(c.Until); c.Until != "" && err != nil {
		return err // before anything else
	}
	t, err := r.find()
	if err != nil {
		return err
	}
	value, words, end := untilResumed, "until you resume it", time.Time{}
	if c.Until != "" {
		if end, err = r.moment(c.Until); err != nil { // by AWS's clock
			return err
		}
		value, words = end.UTC().Format(time.RFC3339), "until "+r.Style.Moment(end)
	}
	answer, err := t.status()
	if err != nil {
		return err
	}
	for _, secret := range answer.Secrets {
		fmt.Fprint(r.Messages, view.Will(r.Style, secret.Name, "Pause", view.Pauses(r.Style, secret, end)))
	}
	if err := r.confirm(c.Yes, "Pause?"); err != nil {
		return err
	}
	for _, secret := range answer.Secrets {
		if err := t.Secrets.Tag(r, secret.ARN, pauseTag, value); err != nil {
			return err
		}
	}
	return t.paused(answer, "paused "+words+"; to resume: "+t.again("resume"))
}

type resumeCommand struct{}

func (resumeCommand) Run(r *run) error {
	t, err := r.find()
	if err != nil {
		return err
	}
	answer, err := t.status()
	if err != nil {
		return err
	}
	for _, secret := range answer.Secrets {
		if err := t.Secrets.Untag(r, secret.ARN, pauseTag); err != nil {
			return err
		}
	}
	return t.paused(answer, "no longer paused: the schedule rotates again")
}

// paused prints what was done to each secret.
func (t *target) paused(answer report.Report, words string) error {
	type done struct {
		Secret string `json:"secret"`
		Done   string `json:"done"`
	}
	var all []done
	text := ""
	for _, s := range answer.Secrets {
		all = append(all, done{s.ARN, words})
		text += view.About(t.run.Style, s.Name, words)
	}
	return t.run.show(func() string { return text }, all)
}

// moment parses a time in the future: a date, a date with a time of day in local time, RFC 3339, or a
// number of days or hours from now.
func (r *run) moment(text string) (time.Time, error) {
	zone := r.Style.Zone
	if zone == nil {
		zone = time.UTC
	}
	now := r.Now()
	at, ok := time.Time{}, false
	if d, err := duration(text); err == nil {
		at, ok = now.Add(d), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil && !ok {
			at, ok = t, true
		}
	}
	switch {
	case !ok:
		return time.Time{}, fault.New(fault.Usage, fmt.Sprintf("%q is not a date", text), "write it as 2026-12-24, 2026-12-24T18:00, or 14d")
	case !at.After(now):
		return time.Time{}, fault.New(fault.Usage, text+" is in the past", "")
	}
	return at, nil
}

// duration parses 90d, 12h, 30m.
func duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, fault.New(fault.Usage, fmt.Sprintf("%q is not a number of days", text), "write it as 90d")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fault.New(fault.Usage, fmt.Sprintf("%q is not a duration", text), "write it as 90d, 12h or 30m")
	}
	return d, nil
}
