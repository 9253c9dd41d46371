package localaws_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/localtest"
	localses "mautic-rotation/internal/localaws/ses"
)

func TestTheQuotaTellsWhatWasSentInTheLastDay(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	client := ses.NewFromConfig(localtest.ClientConfig(f.Server))
	want := func(most, rate, sent float64) {
		t.Helper()
		out, err := client.GetSendQuota(f.Ctx, nil)
		if err != nil || out.Max24HourSend != most || out.MaxSendRate != rate || out.SentLast24Hours != sent {
			t.Errorf("%+v, %v", out, err)
		}
	}
	want(50_000, 14, 0)
	f.SES.SetQuota(localses.Quota{Max24Hours: 200, MaxPerSecond: 1})
	f.SES.Sent(localses.Count{DeliveryAttempts: 3})
	f.Clock().Advance(23 * time.Hour)
	f.SES.Sent(localses.Count{DeliveryAttempts: 4})
	want(200, 1, 7)
	f.Clock().Advance(time.Hour)
	want(200, 1, 4)
	_, err := client.DeleteIdentity(f.Ctx, &ses.DeleteIdentityInput{Identity: aws.String("example.com")})
	localtest.WantError(t, err, "InvalidAction", "")
}

func TestTheStatisticsAreOfIntervalsInTheLastTwoWeeks(t *testing.T) {
	t.Parallel()
	begin := time.Date(2031, 1, 2, 3, 1, 0, 0, time.UTC)
	f := start(t, localaws.Options{Clock: host.ClockAt(begin)})
	client := ses.NewFromConfig(localtest.ClientConfig(f.Server))
	f.SES.Sent(localses.Count{DeliveryAttempts: 9})
	f.Clock().Advance(24 * time.Hour)
	f.SES.Sent(localses.Count{DeliveryAttempts: 2, Bounces: 1})
	f.Clock().Advance(5 * time.Minute)
	f.SES.Sent(localses.Count{DeliveryAttempts: 5, Complaints: 1, Rejects: 2})
	f.Clock().Advance(10 * time.Minute)
	f.SES.Sent(localses.Count{DeliveryAttempts: 1})
	f.Clock().Advance(13*24*time.Hour + time.Hour)
	out, err := client.GetSendStatistics(f.Ctx, nil)
	if err != nil || len(out.SendDataPoints) != 2 {
		t.Fatal(out, err)
	}
	late, early := out.SendDataPoints[0], out.SendDataPoints[1]
	if late.DeliveryAttempts != 1 || !late.Timestamp.Equal(begin.Add(24*time.Hour+14*time.Minute)) {
		t.Errorf("%+v", late)
	}
	if early.DeliveryAttempts != 7 || early.Bounces != 1 || early.Complaints != 1 || early.Rejects != 2 || !early.Timestamp.Equal(begin.Add(24*time.Hour-time.Minute)) {
		t.Errorf("%+v", early)
	}
}
