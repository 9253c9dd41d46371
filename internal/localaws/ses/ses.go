// Package ses stands in for AWS's Simple Email Service, version 1 of its API, of which it has what is read of the account's
// sending: GetSendQuota and GetSendStatistics. What was sent is put there in Go:
//
//	srv.SES.SetQuota(ses.Quota{Max24Hours: 200, MaxPerSecond: 1})
//	srv.SES.Sent(ses.Count{DeliveryAttempts: 10, Bounces: 1})
//
// What it does not do: to send, by an operation; the SMTP endpoint is internal/smtpserver. Identities, configuration sets,
// suppression and version 2 of the API.
package ses

import (
	"context"
	"slices"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Quota is how much the account may send.
type Quota struct{ Max24Hours, MaxPerSecond float64 }

// Count is what became of messages.
type Count struct{ DeliveryAttempts, Bounces, Complaints, Rejects int }

const (
	interval = 15 * time.Minute    // that a data point is about
	kept     = 14 * 24 * time.Hour // how long data points are told
)

// StandIn is SES.
type StandIn struct {
	env host.Env

	mu    sync.Mutex
	quota Quota
	sent  []sent // in order of time
}

type sent struct {
	at time.Time
	Count
}

// New makes a stand-in for an account out of the sandbox that may send 50,000 messages in 24 hours, 14 a second.
func New(env host.Env) *StandIn {
	return &StandIn{env: env, quota: Quota{50_000, 14}}
}

// SetQuota changes the quota from now on.
func (s *StandIn) SetQuota(q Quota) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = q
}

// Sent counts messages as sent now.
func (s *StandIn) Sent(c Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, sent{s.env.Now(), c})
}

// API describes the operations for the wire.
func (s *StandIn) API() *wire.QueryService {
	return &wire.QueryService{
		Name: "ses", Version: "2010-12-01",
		Operations: map[string]wire.QueryOperation{
			"GetSendQuota":      wire.HandleQuery(s.GetSendQuota),
			"GetSendStatistics": wire.HandleQuery(s.GetSendStatistics),
		},
	}
}

// GetSendQuotaOutput is the answer of GetSendQuota.
type GetSendQuotaOutput struct{ Max24HourSend, MaxSendRate, SentLast24Hours float64 }

// GetSendQuota tells how much may be sent, and how much was in the last 24 hours.
func (s *StandIn) GetSendQuota(context.Context, struct{}) (GetSendQuotaOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := GetSendQuotaOutput{Max24HourSend: s.quota.Max24Hours, MaxSendRate: s.quota.MaxPerSecond}
	since := s.env.Now().Add(-24 * time.Hour)
	for _, c := range s.sent {
		if c.at.After(since) {
			out.SentLast24Hours += float64(c.DeliveryAttempts)
		}
	}
	return out, nil
}

// GetSendStatisticsOutput is the answer of GetSendStatistics.
type GetSendStatisticsOutput struct {
	SendDataPoints []DataPoint `xml:"SendDataPoints>member"`
}

// DataPoint is what was sent in the 15 minutes from a time on.
type DataPoint struct {
	Timestamp string
	Count
}

// GetSendStatistics tells what was sent in the last two weeks, in intervals of 15 minutes; those in which nothing was are left
// out. SES gives them in no order; here the latest comes first, so that nobody relies on the other one.
func (s *StandIn) GetSendStatistics(context.Context, struct{}) (out GetSendStatisticsOutput, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.env.Now().Add(-kept)
	for _, c := range s.sent {
		if c.at.Before(since) {
			continue
		}
		from := c.at.Truncate(interval).Format(time.RFC3339)
		i := slices.IndexFunc(out.SendDataPoints, func(p DataPoint) bool { return p.Timestamp == from })
		if i < 0 {
			out.SendDataPoints = append(out.SendDataPoints, DataPoint{Timestamp: from})
			i = len(out.SendDataPoints) - 1
		}
		p := &out.SendDataPoints[i]
		p.DeliveryAttempts += c.DeliveryAttempts
		p.Bounces += c.Bounces
		p.Complaints += c.Complaints
		p.Rejects += c.Rejects
	}
	slices.Reverse(out.SendDataPoints)
	return out, nil
}
