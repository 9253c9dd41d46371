package view

import (
	"time"

	"mautic-rotation/rotation/report"
)

// The reports that are shown. It is 28 November 2026, 14:02 UTC.
var (
	now   = time.Date(2026, 11, 28, 14, 2, 0, 0, time.UTC)
	stack = Stack{Name: "mautic-secret-rotation-prod", Region: "eu-west-1"}
)

const secretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"

const (
	oldVersion = "11111111-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
	newVersion = "only.database.22222222-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
)

const aDay = 24 * 60

// at is so many minutes from now.
func at(minutes int) *time.Time { t := now.Add(time.Duration(minutes) * time.Minute); return &t }

func credential(kind string, everyDays, ageDays int) report.Credential {
	return report.Credential{
		Kind: kind, Version: newVersion, RotatedAt: *at(-ageDays * aDay), From: "rotated_at", State: "proven", StateSince: at(-5 * 60),
		EverySeconds: int64(everyDays) * 86400, Due: at((everyDays - ageDays) * aDay), GreatestAgeSeconds: int64(everyDays+7) * 86400,
	}
}

func steady() report.Report {
	return report.Report{Schema: report.Schema, Action: "status", At: now, Secrets: []report.Secret{{
		ARN: secretARN, Name: "mautic-prod-secrets",
		Credentials: []report.Credential{credential("database", 90, 12), credential("smtp", 180, 181)},
		Rollout:     &report.Rollout{Since: *at(-30), Converged: at(-22)},
		Schedule:    &report.Schedule{Enabled: true, Expression: "rate(30 days)", Window: "1h", Next: at(18 * aDay)},
	}}}
}

func rollingOut() report.Report {
	r := steady()
	s := &r.Secrets[0]
	s.Credentials = append(s.Credentials, credential("webhook", 90, 3))
	s.Credentials[0].Old = []report.Old{{Version: oldVersion, State: "proven", AcceptedSince: at(-4), Next: "wait", Why: "it may be needed until the rollout has converged"}}
	s.Credentials[1].GreatestAgeSeconds = 240 * 86400
	s.Credentials[2].From, s.Credentials[2].State = "version", ""
	s.Rollout = &report.Rollout{Since: *at(-4), Promoted: true, Deadline: at(56), Health: "unclear", Ill: "/s/login answers 403", Services: []report.Service{
		{Name: "mautic-web", Desired: 3, Fresh: 2, Older: []string{"task 0a1b of web started 12:01"}},
		{Name: "mautic-cron", Desired: 1, Fresh: 1},
	}}
	s.Schedule.Paused, s.Schedule.PausedUntil = true, at(9*aDay)
	return r
}

func attention() report.Report {
	r := steady()
	s := &r.Secrets[0]
	why := "held, since something still uses it: find what, fix it, then release"
	s.Credentials[0].Old = []report.Old{{Version: oldVersion, State: "held", Since: at(-8 * aDay), AcceptedSince: at(-8 * aDay), Next: "alarm", Why: why}}
	s.Credentials[1].Old = []report.Old{{Version: oldVersion, State: "quarantined", Since: at(-10), AcceptedSince: at(-70), Next: "wait", Until: at(50)}}
	s.Needs = []report.Entry{
		{Kind: "database", Version: oldVersion, Text: why, Remedy: "find what uses the old value (the log line with the audit word held has the evidence), fix it, then send release"},
		{Service: "mautic-web", Text: "service mautic-web: its task definition pins a version of the secret…", Remedy: "fix the service as the reason says, or correct ECS_SERVICES"},
	}
	s.Schedule.HeldOff = true
	s.Possible = []string{"release"}
	s.Labels = []report.Label{
		{Version: newVersion, Label: "AWSCURRENT", Created: at(-8 * aDay)},
		{Version: oldVersion, Label: "AWSPREVIOUS", Created: at(-98 * aDay)},
		{Version: oldVersion, Label: "rotation;2;df431427;database=held.4@20261120T140200Z;smtp=quarantined.2@20261128T135200Z", Created: at(-98 * aDay)},
		{Version: oldVersion, Label: "mine", Created: at(-98 * aDay)},
	}
	return r
}

func several() report.Report {
	r := attention()
	second := steady().Secrets[0]
	second.Name, second.ARN = "mautic-prod-database", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-database-GhIjKl"
	second.Schedule.Enabled = false
	second.Credentials = second.Credentials[:1]
	second.Credentials[0].Due, second.Credentials[0].EverySeconds, second.Credentials[0].GreatestAgeSeconds = nil, 0, 0
	second.Rotation = &report.Rotation{Version: "emergency.33333333-5f6d-4c1b-9d1e-2f3a4b5c6d7e", Kinds: []string{"database"}, Emergency: true}
	third := report.Secret{ARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-MnOpQr", Name: "gone", Error: "it is marked for deletion"}
	r.Secrets = append(r.Secrets, second, third)
	return r
}

func preflight() report.Report {
	r := steady()
	r.Action = "preflight"
	r.Secrets[0].Credentials = nil
	r.Secrets[0].Checks = []report.Check{
		{Part: "database", What: "the user may keep a second password", Result: report.Problem, Text: "MySQL error 1227: GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO 'mautic'@'%'"},
		{Part: "database", What: "TLS", Result: report.OK},
		{Part: "redeploy", What: "cron jobs", Result: report.Warning, Text: "the cron of Mautic’s image passes none of a container’s variables to its jobs"},
		{Part: "smtp", What: "SES's sending quota", Result: report.Skipped, Text: "not available: AWS denied ses:GetSendQuota"},
	}
	return r
}

func verified() report.Report {
	r := steady()
	r.Action = "verify"
	r.Secrets[0].Credentials[0].Accepted = "accepted"
	r.Secrets[0].Credentials[1].Accepted = "no answer"
	return r
}

func released() report.Report {
	r := steady()
	r.Action = "release"
	r.Secrets[0].Changed = []report.Entry{{What: "released", Kind: "database", Version: oldVersion, Text: "what was held is released"}, {What: "redeployed", Service: "mautic-web", Text: "the redeploy has begun"}}
	r.Secrets[0].Notices = []string{"mautic-prod-secrets: it goes on"}
	r.Secrets[0].Waiting = []report.Entry{{Kind: "database", Text: "its use is looked for", Until: at(58)}}
	return r
}
