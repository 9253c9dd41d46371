// Package report is the form in which the function answers an operator's action: what it found,
// what it did, what comes next, and what needs a person. The function writes it and the
// operator's program reads it, so it has types, and imports nothing of the engine. No
// field holds a secret value: the function takes them out of every text. A field that is tagged
// as an identifier has no text, but a name or an id that AWS, the settings or the function have made, and
// stays as it is, though a password may by chance be a part of it.
//
//	var answer report.Report
//	err := json.Unmarshal(payload, &answer)
//	for _, s := range answer.Secrets {
//		for _, e := range s.Needs {
//			fmt.Println(s.Name, e.Kind, e.Text, e.Remedy)
//		}
//	}
//
// docs/operate.md describes the fields for people.
package report

import (
	"strings"
	"time"
	"unicode"
)

// Schema is the version of this format. It grows when a field is removed or changes its meaning,
// not when one is added. In schema 1 a secret had only Changed, Notices, Waiting and Needs.
const Schema = 2

// A Report is the answer to one action.
type Report struct {
	Schema  int       `json:"schema"`
	Action  string    `json:"action" identifier:""`
	At      time.Time `json:"at"` // when the answer was made, by AWS's clock if it is known
	Secrets []Secret  `json:"secrets"`

	// Notice is all notices of the answer in one line, Next is what to do next, and Told has the
	// notices' words, each once: promoted, held, …. All three are present if there is a notice,
	// and omitted if there is none. EventBridge formats messages for people from them. It matches
	// flat fields only and escapes nothing, so Notice and Next have passed through [Plain].
	Notice string   `json:"notice,omitempty"`
	Next   string   `json:"next,omitempty"`
	Told   []string `json:"told,omitempty" identifier:""`
}

// The longest Notice and Next, in characters: AWS's chat integration accepts a description of
// 8000 characters, and cuts a next step at 350.
const (
	NoticeMost = 6000
	NextMost   = 350
)

// Plain makes a text safe to put into a JSON string without escaping: one line, no quotation
// marks or backslashes, at most so many characters.
func Plain(text string, most int) string {
	plain := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return '/'
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, strings.TrimSpace(text)))
	if len(plain) > most {
		plain = append(plain[:most-1], '…')
	}
	return string(plain)
}

// A Secret is what an action found, and did, for one secret. Its lists are never null.
type Secret struct {
	ARN  string `json:"secret" identifier:""`
	Name string `json:"name" identifier:""`

	// At is when the secret was read, by AWS's clock; omitted if it could not be read.
	At time.Time `json:"at,omitzero"`

	// Error is why a read-only action could not look at this secret, or only at part of it. For
	// an operator's action that has changed something, it is what failed afterwards. An action
	// that fails before it has changed anything has no report.
	Error string `json:"error,omitempty"`

	// Set by status and verify, and by the actions that change something.
	Credentials []Credential `json:"credentials"`
	Rollout     *Rollout     `json:"rollout,omitempty"`  // the last one; nil: there was none
	Rotation    *Rotation    `json:"rotation,omitempty"` // in progress and not yet promoted
	Schedule    *Schedule    `json:"schedule,omitempty"`

	// Labels are those of every version, including AWS's own.
	Labels []Label `json:"labels"`

	Checks []Check `json:"checks"` // of preflight and verify

	Changed []Entry  `json:"changed"` // in the order in which it was done; What is the log's audit word
	Notices []string `json:"notices"` // for people
	Waiting []Entry  `json:"waiting"` // what happens by itself
	Needs   []Entry  `json:"needs"`   // what needs an operator

	// Possible lists which of the actions release, abandon and roll-back would do something now,
	// as far as is known. The others are refused, or find nothing to do. Null: not known.
	Possible []string `json:"possible" identifier:""`

	// Back lists the versions that AWSCURRENT can be moved back to by hand, the best first. Every
	// value there is AWSCURRENT's own, or is accepted by its target, or would be made accepted
	// again by the function. Empty: none is known.
	Back []string `json:"back" identifier:""`
}

// A Credential is one kind of credential in a secret.
type Credential struct {
	Kind    string `json:"kind" identifier:""`
	Version string `json:"version" identifier:""` // the one that is AWSCURRENT

	// RotatedAt is when the value was made. From is the source: "rotated_at", the secret's own
	// block, or "version", the date of its version, which any edit changes.
	RotatedAt time.Time `json:"rotated_at"`
	From      string    `json:"rotated_at_from" identifier:""`

	// EverySeconds is how often the schedule rotates it, and Due is when it does so next; zero
	// and null if rotation is off. GreatestAgeSeconds is its greatest age if every scheduled
	// rotation succeeds: its rhythm, plus up to one interval of the schedule.
	EverySeconds       int64      `json:"every_seconds"`
	Due                *time.Time `json:"due,omitempty"`
	GreatestAgeSeconds int64      `json:"greatest_age_seconds,omitempty"`

	// State is the ledger's word for AWSCURRENT's value, usually "proven"; "" if nothing is known
	// yet. StateSince is since when.
	State      string     `json:"state,omitempty" identifier:""`
	StateSince *time.Time `json:"state_since,omitempty"`

	// Accepted is the target's answer to AWSCURRENT's value, from verify: "accepted", "denied" or
	// "no answer". "": not asked.
	Accepted string `json:"accepted,omitempty" identifier:""`

	// Problem is why the credential cannot be read or compared, such as a missing field.
	Problem string `json:"problem,omitempty"`

	// Old lists the other values that its target accepts, or may accept, and those that are
	// remembered.
	Old []Old `json:"old"`
}

// Old is a value that is not AWSCURRENT's.
type Old struct {
	Version string     `json:"version" identifier:""`
	State   string     `json:"state" identifier:""` // the ledger's word: old, quarantined, held, …
	Since   *time.Time `json:"since,omitempty"`     // of the state

	// AcceptedSince is when the overlap began; null if the target accepts only one value.
	AcceptedSince *time.Time `json:"accepted_since,omitempty"`

	// Next is what happens to it next: "wait", "alarm", or what a reconcile would do now. Why is
	// the reason, and Until is when a wait ends, if that is known.
	Next   string     `json:"next" identifier:""`
	Why    string     `json:"why"`
	Until  *time.Time `json:"until,omitempty"`
	Remedy string     `json:"remedy,omitempty"`
}

// A Rollout is the replacement of the tasks that started before AWSCURRENT's values were current.
type Rollout struct {
	Since     time.Time  `json:"since"`
	Converged *time.Time `json:"converged,omitempty"` // null: it is open
	Unhealthy *time.Time `json:"unhealthy,omitempty"` // when the application was first found unhealthy
	Deadline  *time.Time `json:"deadline,omitempty"`  // when an open rollout is rolled back if it has not converged

	Promoted   bool `json:"promoted"`    // a rotation began it
	RolledBack bool `json:"rolled_back"` // it is itself a rollback
	Emergency  bool `json:"emergency"`

	Services []Service `json:"services"`                       // if they were looked at
	Health   string    `json:"health,omitempty" identifier:""` // healthy, unhealthy, unclear, not observed
	Ill      string    `json:"ill,omitempty"`                  // what was seen, if it is not healthy
}

// A Service is an ECS service.
type Service struct {
	Name      string   `json:"name" identifier:""`
	Desired   int      `json:"desired"`
	Fresh     int      `json:"fresh"`           // running tasks that started with AWSCURRENT's values
	Older     []string `json:"older,omitempty"` // older tasks, described
	Deploying bool     `json:"deploying,omitempty"`
	Failed    string   `json:"failed,omitempty"`
	Missing   string   `json:"missing,omitempty"` // why it cannot be observed
}

// A Rotation is one that Secrets Manager has started and this function has not promoted.
type Rotation struct {
	Version   string     `json:"version" identifier:""`
	Kinds     []string   `json:"kinds" identifier:""` // null: it has made no value yet
	Since     *time.Time `json:"since,omitempty"`     // null: not known
	Emergency bool       `json:"emergency"`
}

// A Schedule is when Secrets Manager rotates a secret by itself.
type Schedule struct {
	Enabled    bool       `json:"enabled"`                            // whether rotation is on
	Expression string     `json:"expression,omitempty" identifier:""` // rate(…) or cron(…); for a schedule in days, rate(N days)
	Window     string     `json:"window,omitempty" identifier:""`     // such as 3h
	Last       *time.Time `json:"last,omitempty"`
	Next       *time.Time `json:"next,omitempty"` // when the next rotation's window ends

	// Paused says that an operator has paused the schedule. PausedUntil is when it resumes by
	// itself; null: when someone resumes it.
	Paused      bool       `json:"paused"`
	PausedUntil *time.Time `json:"paused_until,omitempty"`

	// HeldOff says that the schedule changes nothing after a rollback.
	HeldOff bool `json:"held_off"`
}

// A Label is a staging label. Means explains one of this function's in words.
type Label struct {
	Version string     `json:"version" identifier:""`
	Created *time.Time `json:"created,omitempty"` // when the version was created
	Label   string     `json:"label"`
	Means   string     `json:"means,omitempty"`

	// Own: it is AWS's label, or one that this function made, so the whole label is an
	// identifier. It is not part of the answer.
	Own bool `json:"-"`
}

// The results of a check.
const (
	OK      = "ok"
	Warning = "warning"
	Problem = "problem"
	Skipped = "not looked at"
)

// A Check is one check of preflight or verify. Text says what is wrong, and what to do about it.
type Check struct {
	Part   string `json:"part" identifier:""` // a kind, or what else was checked: redeploy, health, …
	What   string `json:"check"`
	Result string `json:"result" identifier:""`
	Text   string `json:"text,omitempty"`
}

// An Entry is something that was done, or that is left to do.
type Entry struct {
	What    string     `json:"what,omitempty" identifier:""`
	Kind    string     `json:"kind,omitempty" identifier:""`    // the kind of credential; "": it is about the whole secret
	Version string     `json:"version,omitempty" identifier:""` // the version that has the value
	Service string     `json:"service,omitempty" identifier:""`
	Text    string     `json:"text"`
	Remedy  string     `json:"remedy,omitempty"` // in Needs: what to do about it
	Until   *time.Time `json:"until,omitempty"`  // in Waiting: when it ends, if that is known
}
