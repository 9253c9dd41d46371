package logline

import (
	"testing"
	"time"
)

func TestALineOfTheLogIsReadAndSaidPlainly(t *testing.T) {
	for _, c := range []struct{ line, what, said string }{
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"WARN","message":"held: both passwords stay accepted","requestId":"r","action":"reconcile","secret":"arn","kind":"database","of":"v1","audit":"held","evidence":"10.0.3.7"}`,
			"database", "held: both passwords stay accepted: 10.0.3.7"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"ERROR","message":"createSecret failed","step":"createSecret","error":"nothing can be\n rotated now","milliseconds":12}`,
			"", "createSecret failed: nothing can be rotated now"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"INFO","message":"reconcile","action":"reconcile","kind":"api","decision":"wait","why":"old tasks are left"}`,
			"api", "waits: old tasks are left"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"WARN","message":"reconcile","action":"reconcile","decision":"alarm","why":"service web: it does not exist","service":"web"}`,
			"reconcile", "needs you: service web: it does not exist"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"INFO","message":"the redeploy has begun","action":"reconcile","service":"web"}`,
			"reconcile", "the redeploy has begun: web"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"INFO","message":"reconcile","action":"reconcile","kind":"api","decision":"retire","why":"nothing uses it","of":"v1"}`,
			"api", "does: retire: nothing uses it"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"ERROR","message":"preflight","action":"preflight","part":"smtp","check":"a second access key","problem":"the IAM user\n has two"}`,
			"", "preflight: smtp: a second access key: the IAM user has two"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"WARN","message":"preflight","action":"preflight","part":"api","check":"the token","warning":"it is old"}`,
			"", "preflight: api: the token: it is old"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"WARN","message":"preflight","action":"preflight","part":"api","result":"not looked at","before":"database"}`,
			"", "preflight: api: not looked at: database"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"INFO","message":"preflight","action":"preflight","part":"api","check":"log in by the api","result":"ok"}`,
			"", "preflight: api: log in by the api: ok"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"WARN","message":"it was given up","step":"setSecret","why":"a\n timeout","error":"setSecret: a timeout"}`,
			"setSecret", "it was given up: setSecret: a timeout"},
		{`{"timestamp":"2026-11-28T14:01:02.5Z","level":"WARN","message":"held: a timeout","kind":"api","why":"a  timeout"}`,
			"api", "held: a timeout"},
	} {
		e, ok := Parse(c.line)
		if !ok || e.What() != c.what || e.Said() != c.said {
			t.Errorf("%s is %v: %q, %q", c.line, ok, e.What(), e.Said())
		}
		if want := time.Date(2026, 11, 28, 14, 1, 2, 5e8, time.UTC); !e.At.Equal(want) {
			t.Errorf("its time is %s", e.At)
		}
	}
}

func TestWhatIsNoLineOfTheFunctionIsNone(t *testing.T) {
	for _, line := range []string{"", "START RequestId: 1", `{"_aws":{},"Time":12}`, `{"message":"x"}`, `[1]`, `"text"`} {
		if e, ok := Parse(line); ok {
			t.Errorf("%s is read as %+v", line, e)
		}
	}
}
