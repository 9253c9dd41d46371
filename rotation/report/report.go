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

// Schema is the number of the form. It grows when a field changes its meaning or goes; a field
// may be added without that. Schema 1 had of each secret only Changed, Notices, Waiting and
// Needs.
const Schema = 2

// A Report is the answer to one action.
type Report struct {
	Schema  int       `json:"schema"`
	Action  string    `json:"action" identifier:""`
	At      time.Time `json:"at"` // when it was answered, by AWS's clock where it was asked
	Secrets []Secret  `json:"secrets"`

	// Notice has all notices of the answer in one line; Next, what to do next; Told, the notices'
	// words, each once: promoted, held, …. All three are left out when there is no notice, and
	// there when there is one. EventBridge makes messages for people of them: it matches flat
	// fields alone, and escapes nothing, so Notice and Next are what [Plain] makes of a text.
	Notice string   `json:"notice,omitempty"`
	Next   string   `json:"next,omitempty"`
	Told   []string `json:"told,omitempty" identifier:""`
}

// How long Notice and Next may be, in characters: AWS's chat integration takes a description of 8000, and
// cuts a next step at 350.
const (
	NoticeMost = 6000
	NextMost   = 350
)

// Plain is the text as it may stand in a JSON string without being escaped: in one line, without quotation
// marks and backslashes, and of at most so many characters.
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

// A Secret is what an action found, and did, of one secret. Its lists are never null.
type Secret struct {
	ARN  string `json:"secret" identifier:""`
	Name string `json:"name" identifier:""`

	// At is when the secret was looked at, by AWS's clock; left out where it could not be.
	At time.Time `json:"at,omitzero"`

	// Error is why a read-only action could not look at this secret, or not at all of
	// it; or what has failed of an operator's action that has changed something before. An
	// action that fails before it has changed anything has no report.
	Error string `json:"error,omitempty"`

	// These are found by status and verify, and by the actions that change something.
	Credentials []Credential `json:"credentials"`
	Rollout     *Rollout     `json:"rollout,omitempty"`  // the last one; nil: there was none
	Rotation    *Rotation    `json:"rotation,omitempty"` // that has begun and is not promoted
	Schedule    *Schedule    `json:"schedule,omitempty"`

	// Labels are those of every version, AWS's own among them.
	Labels []Label `json:"labels"`

	Checks []Check `json:"checks"` // of preflight and verify

	Changed []Entry  `json:"changed"` // in the order in which it was done; What is the log's audit word
	Notices []string `json:"notices"` // for people
	Waiting []Entry  `json:"waiting"` // what goes on by itself
	Needs   []Entry  `json:"needs"`   // what needs a person

	// Possible are those of the actions release, abandon and roll-back that would do something now, as
	// far as was seen: the others are refused, or find nothing to do. Null: it is not known.
	Possible []string `json:"possible" identifier:""`

	// Back are the versions that AWSCURRENT can be moved back to by hand, the best first: of each credential, the
	// value there is AWSCURRENT's own, or one that its target accepts, or that the function makes accepted again.
	// Empty: there is none, as far as was seen.
	Back []string `json:"back" identifier:""`
}

// A Credential is one kind of credential in a secret.
type Credential struct {
	Kind    string `json:"kind" identifier:""`
	Version string `json:"version" identifier:""` // that is AWSCURRENT

	// RotatedAt is when the value was made. From tells who says so: "rotated_at", the
	// secret's own block, or "version", the date of its version, which is that of any edit.
	RotatedAt time.Time `json:"rotated_at"`
	From      string    `json:"rotated_at_from" identifier:""`

	// EverySeconds is how often the schedule is to rotate it; Due, when that is again; zero and
	// null where rotation is off. GreatestAgeSeconds is how old it becomes at most if each
	// scheduled rotation succeeds: its rhythm, and up to an interval of the schedule more.
	EverySeconds       int64      `json:"every_seconds"`
	Due                *time.Time `json:"due,omitempty"`
	GreatestAgeSeconds int64      `json:"greatest_age_seconds,omitempty"`

	// State is the ledger's word for AWSCURRENT's value: "proven", mostly; "" where nothing is
	// known of it yet. StateSince is since when.
	State      string     `json:"state,omitempty" identifier:""`
	StateSince *time.Time `json:"state_since,omitempty"`

	// Accepted is the target's answer to AWSCURRENT's value, of verify: "accepted", "denied" or
	// "no answer". "" where it was not asked.
	Accepted string `json:"accepted,omitempty" identifier:""`

	// Problem is why the credential cannot be read or compared: its field is missing, say.
	Problem string `json:"problem,omitempty"`

	// Old are the values that its target accepts, or may accept, beside AWSCURRENT's, and
	// those that are remembered.
	Old []Old `json:"old"`
}

// Old is a value that is not AWSCURRENT's.
type Old struct {
	Version string     `json:"version" identifier:""`
	State   string     `json:"state" identifier:""` // the ledger's word: old, quarantined, held, …
	Since   *time.Time `json:"since,omitempty"`     // of the state

	// AcceptedSince is when the overlap began; null where the target accepts one value alone.
	AcceptedSince *time.Time `json:"accepted_since,omitempty"`

	// Next is what is done with it next: "wait", "alarm", or what a reconcile would do now;
	// Why says why, and Until is when a wait ends by the clock, where it does.
	Next   string     `json:"next" identifier:""`
	Why    string     `json:"why"`
	Until  *time.Time `json:"until,omitempty"`
	Remedy string     `json:"remedy,omitempty"`
}

// A Rollout is the replacement of the tasks that started before AWSCURRENT's values were current.
type Rollout struct {
	Since     time.Time  `json:"since"`
	Converged *time.Time `json:"converged,omitempty"` // null: it is open
	Unhealthy *time.Time `json:"unhealthy,omitempty"` // when the application was first found ill
	Deadline  *time.Time `json:"deadline,omitempty"`  // of an open one that is rolled back if it fails

	Promoted   bool `json:"promoted"`    // a rotation began it
	RolledBack bool `json:"rolled_back"` // it is itself a way back
	Emergency  bool `json:"emergency"`

	Services []Service `json:"services"`                       // where they were looked at
	Health   string    `json:"health,omitempty" identifier:""` // healthy, unhealthy, unclear, not observed
	Ill      string    `json:"ill,omitempty"`                  // what was seen where it is not healthy
}

// A Service is an ECS service.
type Service struct {
	Name      string   `json:"name" identifier:""`
	Desired   int      `json:"desired"`
	Fresh     int      `json:"fresh"`           // running tasks that started with AWSCURRENT's values
	Older     []string `json:"older,omitempty"` // tasks from before, in words
	Deploying bool     `json:"deploying,omitempty"`
	Failed    string   `json:"failed,omitempty"`
	Missing   string   `json:"missing,omitempty"` // why it cannot be looked at
}

// A Rotation is one that Secrets Manager has begun and this function has not promoted.
type Rotation struct {
	Version   string     `json:"version" identifier:""`
	Kinds     []string   `json:"kinds" identifier:""` // null: it has made no value yet
	Since     *time.Time `json:"since,omitempty"`     // null: not known
	Emergency bool       `json:"emergency"`
}

// A Schedule is when Secrets Manager rotates a secret by itself.
type Schedule struct {
	Enabled    bool       `json:"enabled"`                            // rotation is on
	Expression string     `json:"expression,omitempty" identifier:""` // rate(…) or cron(…); of a schedule in days, rate(N days)
	Window     string     `json:"window,omitempty" identifier:""`     // as in 3h
	Last       *time.Time `json:"last,omitempty"`
	Next       *time.Time `json:"next,omitempty"` // the end of the window of the next one

	// Paused says that an operator has paused the schedule; PausedUntil is when it
	// resumes by itself, null: when somebody resumes it.
	Paused      bool       `json:"paused"`
	PausedUntil *time.Time `json:"paused_until,omitempty"`

	// HeldOff says that the schedule changes nothing, after a rollback.
	HeldOff bool `json:"held_off"`
}

// A Label is a staging label. Means says in words what one of this function's tells.
type Label struct {
	Version string     `json:"version" identifier:""`
	Created *time.Time `json:"created,omitempty"` // of the version
	Label   string     `json:"label"`
	Means   string     `json:"means,omitempty"`

	// Own tells that it is AWS's, or one that this function has made: an identifier as a whole. It is not in
	// the answer.
	Own bool `json:"-"`
}

// The results of a check.
const (
	OK      = "ok"
	Warning = "warning"
	Problem = "problem"
	Skipped = "not looked at"
)

// A Check is one of a preflight, or of verify. Text says what is wrong, and what to do about it.
type Check struct {
	Part   string `json:"part" identifier:""` // a kind, or what else was checked: redeploy, health, …
	What   string `json:"check"`
	Result string `json:"result" identifier:""`
	Text   string `json:"text,omitempty"`
}

// An Entry is one thing that was done, or that is left.
type Entry struct {
	What    string     `json:"what,omitempty" identifier:""`
	Kind    string     `json:"kind,omitempty" identifier:""`    // of credential; "": it is of the secret as a whole
	Version string     `json:"version,omitempty" identifier:""` // that has the value
	Service string     `json:"service,omitempty" identifier:""`
	Text    string     `json:"text"`
	Remedy  string     `json:"remedy,omitempty"` // of Needs: what to do about it
	Until   *time.Time `json:"until,omitempty"`  // of Waiting: when it ends by the clock, where it does
}
