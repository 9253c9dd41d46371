package secretsmanager

import (
	"context"
	"slices"

	"mautic-rotation/internal/localaws/wire"
)

// UpdateSecretVersionStageInput names a label, where it is, and where it is to go.
type UpdateSecretVersionStageInput struct {
	SecretID            string `json:"SecretId"`
	VersionStage        string
	MoveToVersionID     string `json:"MoveToVersionId"`
	RemoveFromVersionID string `json:"RemoveFromVersionId"`
}

// UpdateSecretVersionStageOutput is the answer of UpdateSecretVersionStage.
type UpdateSecretVersionStageOutput struct{ SecretRef }

// UpdateSecretVersionStage moves, adds or removes one label. It is a compare-and-swap: a label that is attached is
// moved only by a caller who names where it is. So the second of two equal calls, a retry after a lost reply, fails.
func (c *Core) UpdateSecretVersionStage(_ context.Context, in UpdateSecretVersionStageInput) (out UpdateSecretVersionStageOutput, err error) {
	if err := wire.CheckLength("versionStage", in.VersionStage, 1, 256); err != nil {
		return out, err
	}
	if err := wire.CheckOptional("moveToVersionId", in.MoveToVersionID, 32, 64); err != nil {
		return out, err
	}
	if err := wire.CheckOptional("removeFromVersionId", in.RemoveFromVersionID, 32, 64); err != nil {
		return out, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(in.SecretID)
	if err != nil {
		return out, err
	}
	if err := r.state.writable(); err != nil {
		return out, err
	}
	next, err := c.change(r, func(s *secret) error {
		s.changed = c.env.Now()
		return s.relabel(in, c.variants.Load().PendingAfterSuccess)
	})
	if err != nil {
		return out, err
	}
	return UpdateSecretVersionStageOutput{next.ref()}, nil
}

// relabel applies the call to the secret.
func (s *secret) relabel(in UpdateSecretVersionStageInput, after PendingAfterSuccess) error {
	for _, id := range []string{in.MoveToVersionID, in.RemoveFromVersionID} {
		if id != "" && s.version(id) == nil {
			return wire.NotFound("Secrets Manager can't find the specified secret value for VersionId: %s", id)
		}
	}
	label, holder, to := in.VersionStage, s.labelled(in.VersionStage), s.version(in.MoveToVersionID)
	switch {
	case to == nil && in.RemoveFromVersionID == "":
		return invalidParameter("You must specify MoveToVersionId, RemoveFromVersionId, or both.")
	case to == nil && label == current:
		return invalidParameter("You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.")
	case holder != nil && holder != to && in.RemoveFromVersionID == "":
		return invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, "+
			"so you must explicitly reference that version in RemoveFromVersionId.", label, holder.id)
	case in.RemoveFromVersionID != "" && (holder == nil || holder.id != in.RemoveFromVersionID):
		return invalidParameter("Staging label %s is not attached to version %s, which the parameter RemoveFromVersionId references.",
			label, in.RemoveFromVersionID)
	case to == nil:
		s.drop(label)
		return nil
	}
	s.move(label, to)
	if label == current && after == PendingRemovedOnPromotion && to.has(pending) {
		s.drop(pending)
	}
	return nil
}

// ListSecretVersionIDsInput asks for a page of the list.
type ListSecretVersionIDsInput struct {
	SecretID          string `json:"SecretId"`
	MaxResults        int
	NextToken         string
	IncludeDeprecated bool
}

// ListSecretVersionIDsOutput is the answer of ListSecretVersionIDs.
type ListSecretVersionIDsOutput struct {
	SecretRef
	Versions  []VersionEntry
	NextToken string `json:",omitempty"`
}

// VersionEntry is a version in a list.
type VersionEntry struct {
	VersionID     string   `json:"VersionId"`
	VersionStages []string `json:",omitempty"`

	// KmsKeyIDs is empty for a version without a value, of which nothing is encrypted.
	KmsKeyIDs        []string   `json:"KmsKeyIds,omitempty"`
	LastAccessedDate wire.Epoch `json:",omitzero"`
	CreatedDate      wire.Epoch
}

// ListSecretVersionIDs lists the versions with labels and, if asked for, the others, which count as deprecated.
func (c *Core) ListSecretVersionIDs(_ context.Context, in ListSecretVersionIDsInput) (out ListSecretVersionIDsOutput, err error) {
	s, err := c.read(in.SecretID)
	if err != nil {
		return out, err
	}
	var entries []VersionEntry
	for _, v := range slices.Backward(s.versions) {
		if len(v.labels) > 0 || in.IncludeDeprecated {
			entries = append(entries, VersionEntry{
				VersionID: v.id, VersionStages: v.labels, KmsKeyIDs: v.keys(), CreatedDate: wire.Epoch(v.created),
				LastAccessedDate: wire.Epoch(c.lastAccess(s.arn, v.id)),
			})
		}
	}
	out.SecretRef = s.ref()
	out.Versions, out.NextToken, err = wire.Page(entries, in.MaxResults, 100, in.NextToken)
	if err != nil {
		return out, &wire.Error{Code: "InvalidNextTokenException", Message: "Invalid pagination token."}
	}
	return out, nil
}
