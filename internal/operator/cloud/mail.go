package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
)

// Mail is the account's use of SES in one region.
type Mail struct {
	quota      func(context.Context, *ses.GetSendQuotaInput, ...func(*ses.Options)) (*ses.GetSendQuotaOutput, error)
	statistics func(context.Context, *ses.GetSendStatisticsInput, ...func(*ses.Options)) (*ses.GetSendStatisticsOutput, error)
}

// NewMail uses the configuration's region.
func NewMail(c aws.Config) *Mail {
	client := ses.NewFromConfig(c)
	return &Mail{client.GetSendQuota, client.GetSendStatistics}
}

// A Quota is how much SES may send and has sent in 24 hours. Most is -1 if it is unlimited.
type Quota struct{ Most, Sent, PerSecond float64 }

// Quota needs ses:GetSendQuota, which the operator has and the function does not.
func (m *Mail) Quota(ctx context.Context) (Quota, error) {
	out, err := m.quota(ctx, &ses.GetSendQuotaInput{})
	if err != nil {
		return Quota{}, Explain(err)
	}
	return Quota{out.Max24HourSend, out.SentLast24Hours, out.MaxSendRate}, nil
}

// Statistics are counts for the last two weeks.
type Statistics struct{ Attempts, Bounces, Complaints, Rejects int64 }

// Statistics needs ses:GetSendStatistics, which the operator has and the function does not.
func (m *Mail) Statistics(ctx context.Context) (s Statistics, err error) {
	out, err := m.statistics(ctx, &ses.GetSendStatisticsInput{})
	if err != nil {
		return Statistics{}, Explain(err)
	}
	for _, p := range out.SendDataPoints {
		s.Attempts += p.DeliveryAttempts
		s.Bounces += p.Bounces
		s.Complaints += p.Complaints
		s.Rejects += p.Rejects
	}
	return s, nil
}
