package cli

import (
	"slices"
	"strings"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/label"
	"mautic-rotation/internal/operator/view"
)

type explainCommand struct {
	What string `arg:"" help:"A staging label, a version id, or at least the first 8 characters of its UUID."`
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
		return fault.New(fault.Usage, what+" is not a label that this program knows, and too short to identify a version", "give the whole label, or at least 8 characters of the version id")
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
		return fault.New(fault.Usage, what+" matches several versions: "+strings.Join(fitting, ", "), "give more characters of the id")
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
		return fault.New(fault.Attention, what+" is neither a label of this project nor a version that has a label", "nothing needs a version without a label; to see all versions, open the secret in the console")
	}
	return r.show(func() string { return text }, all)
}
