package localaws

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
)

type updateSecretVersionStageInput struct {
	SecretID            string `json:"SecretId"`
	VersionStage        string
	MoveToVersionID     string `json:"MoveToVersionId"`
	RemoveFromVersionID string `json:"RemoveFromVersionId"`
}

// updateSecretVersionStage moves, adds or removes one label. It is a compare-and-swap: a label that is attached is
// moved only by a caller who names where it is. So the second of two equal calls, a retry after a lost reply, fails.
func (m *secretsManager) updateSecretVersionStage(_ context.Context, in updateSecretVersionStageInput) (secretRef, error) {
	if err := checkLength("versionStage", in.VersionStage, 1, 256); err != nil {
		return secretRef{}, err
	}
	for member, id := range map[string]string{"moveToVersionId": in.MoveToVersionID, "removeFromVersionId": in.RemoveFromVersionID} {
		if err := checkOptional(member, id, 32, 64); err != nil {
			return secretRef{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(in.SecretID)
	if err != nil {
		return secretRef{}, err
	}
	if err := r.state.writable(); err != nil {
		return secretRef{}, err
	}
	next, err := m.change(r, func(s *secret) error {
		s.changed = m.srv.clock.Now()
		return s.relabel(in, m.srv.variants.Load().PendingAfterSuccess)
	})
	if err != nil {
		return secretRef{}, err
	}
	if in.VersionStage == pending && in.MoveToVersionID == "" && r.run != nil && r.run.token == in.RemoveFromVersionID {
		r.run.pendingRemoved.Store(true)
	}
	return next.ref(), nil
}

// relabel applies the call to the secret.
func (s *secret) relabel(in updateSecretVersionStageInput, after PendingAfterSuccess) error {
	for _, id := range []string{in.MoveToVersionID, in.RemoveFromVersionID} {
		if id != "" && s.version(id) == nil {
			return notFound("Secrets Manager can't find the specified secret value for VersionId: %s", id)
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

type listSecretVersionIDsInput struct {
	SecretID          string `json:"SecretId"`
	MaxResults        int
	NextToken         string
	IncludeDeprecated bool
}

type listSecretVersionIDsOutput struct {
	secretRef
	Versions  []versionEntry
	NextToken string `json:",omitempty"`
}

type versionEntry struct {
	VersionID     string   `json:"VersionId"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   epoch
}

// listSecretVersionIDs lists the versions with labels and, if asked for, the others, which count as deprecated.
func (m *secretsManager) listSecretVersionIDs(_ context.Context, in listSecretVersionIDsInput) (*listSecretVersionIDsOutput, error) {
	s, err := m.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	var entries []versionEntry
	for _, v := range slices.Backward(s.versions) {
		if len(v.labels) > 0 || in.IncludeDeprecated {
			entries = append(entries, versionEntry{v.id, v.labels, epoch(v.created)})
		}
	}
	out := &listSecretVersionIDsOutput{secretRef: s.ref()}
	out.Versions, out.NextToken, err = page(entries, in.MaxResults, 100, in.NextToken)
	if err != nil {
		return nil, &Error{Code: "InvalidNextTokenException", Message: "Invalid pagination token."}
	}
	return out, nil
}

// page cuts one page of a list. A token is the position to go on from, made opaque.
func page[T any](list []T, size, most int, token string) (part []T, next string, err error) {
	if size <= 0 || size > most {
		size = most
	}
	from := 0
	if token != "" {
		text, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return nil, "", err
		}
		if from, err = strconv.Atoi(string(text)); err != nil {
			return nil, "", err
		}
	}
	from = min(max(from, 0), len(list))
	to := min(from+size, len(list))
	if to < len(list) {
		next = base64.StdEncoding.EncodeToString(strconv.AppendInt(nil, int64(to), 10))
	}
	part = list[from:to:to]
	if part == nil {
		part = []T{} // an empty list, not null
	}
	return part, next, nil
}
