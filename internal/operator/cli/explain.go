package cli

import (
	"slices"
	"strings"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/label"
	"mautic-rotation/internal/operator/view"
)

type explainCommand struct {
	What string `arg:"" help:"A staging label, or a version's id, or the first 8 characters or more of its UUID."`
}

// explained is what is known of a label or a version.
type explained struct {
	Secret  string   `json:"secret,omitempty"`
	Version string   `json:"version,omitempty"`
	What    string   `json:"what"`
	Means   []string `json:"means"`
}

func (c explainCommand) Run(r *run) error {
	what := strings.TrimSpace(c.What)
	if means, ok := label.Means(what); ok {
		all := []explained{{What: what, Means: means}}
		return r.show(func() string { return view.Explained(r.Style, what, means) }, all)
	}
	if len(what) < view.Shortest {
		return fault.New(fault.Usage, what+" is no label that this program knows, and too short for a version", "give the whole label, or 8 characters of a version's id at least")
	}
	t, err := r.find()
	if err != nil {
		return err
	}
	answer, err := t.status()
	if err != nil {
		return err
	}
	var fitting []string
	for _, secret := range answer.Secrets {
		fitting = append(fitting, view.Versions(secret, what)...)
	}
	slices.Sort(fitting)
	if fitting = slices.Compact(fitting); len(fitting) > 1 {
		return fault.New(fault.Usage, what+" is the beginning of several versions: "+strings.Join(fitting, ", "), "give more of its id")
	}
	var all []explained
	text := ""
	for _, secret := range answer.Secrets {
		for _, version := range view.Versions(secret, what) {
			means := view.Version(r.Style, secret, version, answer.At)
			all = append(all, explained{secret.ARN, version, version, means})
			text += view.Explained(r.Style, secret.Name+", version "+version, means)
		}
	}
	if len(all) == 0 {
		return fault.New(fault.Attention, what+" is no label of this project, and no version with a label", "a version without a label stores nothing that is needed; look at the secret's versions in the console")
	}
	return r.show(func() string { return text }, all)
}
