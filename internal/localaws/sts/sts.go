// Package sts stands in for AWS's Security Token Service, of which it has GetCallerIdentity: a client is the IAM user "operator",
// and a function its role's session.
//
// What it does not do: everything else. No role can be assumed.
package sts

import (
	"context"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// StandIn is STS.
type StandIn struct{ account host.Account }

// New makes a stand-in for an account.
func New(account host.Account) *StandIn { return &StandIn{account} }

// API describes the operations for the wire.
func (s *StandIn) API() *wire.QueryService {
	return &wire.QueryService{
		Name: "sts", Version: "2011-06-15",
		Operations: map[string]wire.QueryOperation{"GetCallerIdentity": wire.HandleQuery(s.GetCallerIdentity)},
	}
}

// GetCallerIdentityOutput is the answer of GetCallerIdentity.
type GetCallerIdentityOutput struct {
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

// GetCallerIdentity tells who makes the call.
func (s *StandIn) GetCallerIdentity(ctx context.Context, _ struct{}) (GetCallerIdentityOutput, error) {
	i := wire.IdentityOf(s.account, wire.CallerOf(ctx))
	return GetCallerIdentityOutput{Arn: i.ARN, UserID: i.ID, Account: i.AccountID}, nil
}
