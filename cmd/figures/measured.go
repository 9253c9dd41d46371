package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// measured is what both pictures are drawn from.
type measured struct {
	Server          string   `json:"server"`            // "MySQL 9.7.4"
	Tasks           int      `json:"tasks"`             // of the application
	LoginsPerSecond int      `json:"logins_per_second"` // of all its tasks, while none is being replaced
	Observation     float64  `json:"observation"`       // by the function, in seconds
	AlterUser       rotation `json:"alter_user"`
	Function        rotation `json:"function"`
}

// rotation is one, as it was measured. Times are in seconds since it began.
type rotation struct {
	From     float64 `json:"from"`     // when the first bin begins
	Accepted []int   `json:"accepted"` // logins that ended in each tenth of a second
	Refused  []int   `json:"refused"`

	Passwords []passwords        `json:"passwords"` // each change of what the server accepts
	Running   []running          `json:"running"`   // each change of which tasks run
	Steps     map[string]span    `json:"steps,omitempty"`
	Marks     map[string]float64 `json:"marks"`
}

// binWidth is that of Accepted and Refused, in seconds.
const binWidth = 0.1

type passwords struct {
	At  float64 `json:"at"`
	Old bool    `json:"old"`
	New bool    `json:"new"`
}

type running struct {
	At  float64 `json:"at"`
	Old int     `json:"old"` // tasks that started with the old password
	New int     `json:"new"`
}

type span struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Marks of a rotation.
const (
	altered     = "ALTER USER"
	promoted    = "promoted"
	redeployed  = "redeploy"      // the rolling redeploy begins
	replaced    = "replaced"      // the last task with the old password has stopped
	converged   = "converged"     // the function has seen that
	quarantined = "quarantined"   // the server refuses the old password
	retired     = "retired"       // the function has seen it refused
	refused     = "login refused" // one with the old password, made after all that
)

// steps are those of Secrets Manager, in their order.
var steps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

// end is when the last bin ends.
func (r rotation) end() float64 { return r.From + binWidth*float64(len(r.Accepted)) }

func (r rotation) totals() (accepted, refused int) {
	for i := range r.Accepted {
		accepted += r.Accepted[i]
		refused += r.Refused[i]
	}
	return accepted, refused
}

// check returns an error unless both rotations were observed from before their begin to
// their end, and came to it.
func (m measured) check() error {
	_, alterRefused := m.AlterUser.totals()
	_, functionRefused := m.Function.totals()
	faults := []error{m.observed(m.AlterUser, altered, redeployed, replaced, refused), m.observed(m.Function, promoted, redeployed, replaced, converged, quarantined, retired, refused)}
	if alterRefused == 0 {
		faults = append(faults, errors.New("the rotation by ALTER USER had no login refused: the load has not seen it"))
	}
	if functionRefused > 0 {
		faults = append(faults, fmt.Errorf("the function's rotation had %d logins refused", functionRefused))
	}
	last := -1.0
	for _, step := range steps {
		took, ok := m.Function.Steps[step]
		if !ok || took.From < last || took.To < took.From {
			faults = append(faults, fmt.Errorf("the step %s was not seen, or not in its order", step))
		}
		last = took.From
	}
	overlap := slices.ContainsFunc(m.Function.Passwords, func(p passwords) bool { return p.Old && p.New })
	if !overlap {
		faults = append(faults, errors.New("the function's rotation had no overlap"))
	}
	if observed := m.Function.Marks[quarantined] - m.Function.Marks[converged]; m.Observation <= 0 || observed < m.Observation-1 { // AWS tells its time to the second
		faults = append(faults, fmt.Errorf("the old password was quarantined after %.1f s, and is to be observed for %.0f s", observed, m.Observation))
	}
	return errors.Join(faults...)
}

// observed returns an error unless a rotation was observed with all these marks.
func (m measured) observed(r rotation, marks ...string) error {
	var faults []error
	accepted, refused := r.totals()
	seconds := r.end() - r.From
	if len(r.Accepted) != len(r.Refused) || r.From >= 0 || seconds <= 0 || float64(accepted+refused) < seconds*float64(m.LoginsPerSecond)/2 {
		return fmt.Errorf("only %d logins were observed in %.0f s, and %d a second were to be made", accepted+refused, seconds, m.LoginsPerSecond)
	}
	for _, mark := range marks {
		if at, ok := r.Marks[mark]; !ok || at < 0 || at > r.end() {
			faults = append(faults, fmt.Errorf("%q was not observed", mark))
		}
	}
	if len(r.Passwords) < 2 || r.Passwords[0] != (passwords{At: r.From, Old: true}) {
		faults = append(faults, errors.New("the server did not accept the old password alone at first"))
	} else if last := r.Passwords[len(r.Passwords)-1]; last.Old || !last.New {
		faults = append(faults, errors.New("the server does not accept the new password alone at the end"))
	}
	if len(r.Running) < 2 || r.Running[0] != (running{At: r.From, Old: m.Tasks}) {
		faults = append(faults, errors.New("the tasks did not run with the old password at first"))
	} else if last := r.Running[len(r.Running)-1]; last.Old != 0 || last.New != m.Tasks {
		faults = append(faults, errors.New("the tasks do not run with the new password at the end"))
	}
	return errors.Join(faults...)
}

// inner is a list of numbers, or an object without others in it, over several lines.
var (
	inner  = regexp.MustCompile(`\[[^][{}]*\]|\{[^][{}]*\}`)
	blanks = regexp.MustCompile(`\n\s*`)
)

// text is the measurements as JSON, each list of numbers and each innermost object on one
// line.
func (m measured) text() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	text = inner.ReplaceAllFunc(text, func(part []byte) []byte { return blanks.ReplaceAll(part, nil) })
	return append(text, '\n'), nil
}
