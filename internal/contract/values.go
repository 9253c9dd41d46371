package contract

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/contract/function"
	"mautic-rotation/rotation/ledger"
)

// valueFacts are about values and labels, without a rotation.
func valueFacts() []Fact {
	return []Fact{
		{
			Name:     "Does Secrets Manager take a label with the characters and the greatest length of the ledger's?",
			Believed: []string{"taken, as it is"}, Open: true,
			DependsOn: "rotation/ledger/codec.go: all state is in such labels",
			Ask:       askLedgerLabel,
		},
		{
			Name:      "How many labels may a secret have, over all its versions?",
			Believed:  []string{"20 labels, and not 21"},
			DependsOn: "rotation/ledger: MaxLabels; rotation/observe.go refuses a rotation for which labels are short",
			Ask:       askLabelCount,
		},
		{
			Name:     "What does PutSecretValue do with AWSPENDING and a label beside it?",
			Believed: []string{"attaches both, and leaves AWSCURRENT where it is"}, Open: true,
			DependsOn: "rotation/steps.go: createSecret stores the value and the ledger's label in one call",
			Ask:       askLabelBesidePending,
		},
		{
			Name:     "What does PutSecretValue do with the token and the value of a version, and another label?",
			Believed: []string{"attaches nothing", "attaches the label"}, Open: true,
			DependsOn: "rotation/secret/writer.go: Put counts as done; labels are moved by calls of their own",
			Ask:       askLabelsOfRepeatedPut,
		},
		{
			Name:      "What becomes of PutSecretValue with the token of a version and another value?",
			Believed:  []string{"refused: ResourceExistsException"},
			DependsOn: "rotation/secret/writer.go: Put tells by it that another invocation has stored a value",
			Ask: func(q *Question) Answer {
				s := q.secret("another-value")
				return Answer{Is: q.refusal(s.put(s.first, `{"another":"value"}`))}
			},
		},
		{
			Name:      "What does PutSecretValue do without labels?",
			Believed:  []string{"moves AWSCURRENT, and AWSPREVIOUS to where it was"},
			DependsOn: "rotation/plan: an edit by hand is known by it",
			Ask:       askPlainPut,
		},
		{
			Name:      "What becomes of a move of a label that is elsewhere than RemoveFromVersionId says?",
			Believed:  []string{"refused: InvalidParameterException"},
			DependsOn: "rotation/secret/writer.go: MoveCurrent and every label of the ledger are moved by this compare-and-swap",
			Ask: func(q *Question) Answer {
				s, second := twoVersions(q, "swap-wrong")
				return Answer{Is: q.refusal(s.move("AWSCURRENT", second, second))}
			},
		},
		{
			Name:      "What becomes of a move of a label that is elsewhere, without RemoveFromVersionId?",
			Believed:  []string{"refused: InvalidParameterException"},
			DependsOn: "rotation/secret/writer.go: Relabel puts a new label on a version without asking where it is",
			Ask: func(q *Question) Answer {
				s, second := twoVersions(q, "swap-blind")
				return Answer{Is: q.refusal(s.move("AWSCURRENT", second, ""))}
			},
		},
		{
			Name:      "What does a move of AWSCURRENT do besides?",
			Believed:  []string{"moves AWSPREVIOUS to where it was"},
			DependsOn: "rotation/steps.go: a promotion moves AWSCURRENT alone",
			Ask: func(q *Question) Answer {
				s, second := twoVersions(q, "swap")
				q.must(s.move("AWSCURRENT", second, s.first))
				if s.holder("AWSCURRENT") == second && s.holder("AWSPREVIOUS") == s.first {
					return Answer{Is: "moves AWSPREVIOUS to where it was"}
				}
				return Answer{"moves them otherwise", labelsOf(s)}
			},
		},
		{
			Name:      "What becomes of GetSecretValue with a version's id and a label that it does not have?",
			Believed:  []string{"refused: InvalidRequestException", "refused: ResourceNotFoundException"},
			DependsOn: "rotation/secret/retry.go: IsMissing, after which a read is repeated",
			Ask: func(q *Question) Answer {
				s, second := twoVersions(q, "read-label")
				q.settle()
				return Answer{Is: q.refusal(s.read(second, "AWSCURRENT"))}
			},
		},
		{
			Name:      "What becomes of GetSecretValue of a version that is not there?",
			Believed:  []string{"refused: ResourceNotFoundException"},
			DependsOn: "rotation/secret/retry.go: IsMissing",
			Ask: func(q *Question) Answer {
				s := q.secret("read-none")
				return Answer{Is: q.refusal(s.read(q.token(""), ""))}
			},
		},
		{
			Name:     "Can a version be read that has just lost its last label?",
			Believed: []string{"yes", "no: ResourceNotFoundException"}, Open: true,
			DependsOn: "rotation/secret/writer.go: Relabel puts the new label on before it takes the old one off",
			Ask:       askUnlabelled,
		},
		{
			Name:      "Do Secrets Manager's answers tell its time?",
			Believed:  []string{"yes"},
			DependsOn: "rotation/secret/clock.go: AWSClock, by which rollouts and observations are dated",
			Ask:       askServerTime,
		},
	}
}

// ledgerLabel is a label of the ledger's, as long as one can be.
func ledgerLabel(version string) (string, error) {
	at := time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC)
	page := ledger.Page{Version: version, Entries: map[string]ledger.Entry{
		"api":      {State: ledger.Old, Count: 3, At: at},
		"database": {State: ledger.Quarantined, Count: 5, At: at, Before: &ledger.Baseline{Refused: 4711, Server: "a1b2c3", Up: at}},
	}, Rollout: ledger.Rollout{Since: at, Promoted: true, Converged: at}}
	label, err := page.Label()
	return label + ";" + strings.Repeat("x", ledger.MaxLabel-len(label)-1), err
}

func askLedgerLabel(q *Question) Answer {
	s := q.secret("label")
	second := q.token("")
	label, err := ledgerLabel(second)
	q.must(err)
	if is := q.refusal(s.put(second, function.Value(second), label)); is != "taken" {
		return Answer{Is: is}
	}
	q.settle()
	if on := s.described().VersionIdsToStages[second]; !slices.Equal(on, []string{label}) {
		return Answer{"changed", fmt.Sprint(on)}
	}
	long := q.refusal(s.move(label+"x", second, ""))
	return Answer{"taken, as it is", fmt.Sprintf("one of %d characters is %s", len(label)+1, long)}
}

func askLabelCount(q *Question) Answer {
	s := q.secret("count")
	second := q.token("")
	var labels []string
	for n := range ledger.MaxLabels - 1 { // AWSCURRENT is one
		labels = append(labels, fmt.Sprintf("label-%d", n))
	}
	if is := q.refusal(s.put(second, function.Value(second), labels...)); is != "taken" {
		return Answer{Is: "fewer than 20 labels: " + is}
	}
	switch is := q.refusal(s.move("one-more", second, "")); is {
	case "refused: LimitExceededException":
		return Answer{Is: "20 labels, and not 21"}
	default:
		return Answer{Is: "20 labels; the 21st is " + is}
	}
}

func askLabelBesidePending(q *Question) Answer {
	s := q.secret("beside")
	second := q.token("")
	if is := q.refusal(s.put(second, function.Value(second), "AWSPENDING", "rotation;beside")); is != "taken" {
		return Answer{Is: "is " + is}
	}
	if s.holder("AWSPENDING") == second && s.holder("rotation;beside") == second && s.holder("AWSCURRENT") == s.first {
		return Answer{Is: "attaches both, and leaves AWSCURRENT where it is"}
	}
	return Answer{"does something else", labelsOf(s)}
}

func askLabelsOfRepeatedPut(q *Question) Answer {
	s := q.secret("repeated")
	second := q.token("")
	q.must(s.put(second, function.Value(second), "first"))
	if is := q.refusal(s.put(second, function.Value(second), "second")); is != "taken" {
		return Answer{Is: "is " + is}
	}
	switch s.holder("second") {
	case "":
		return Answer{Is: "attaches nothing"}
	case second:
		return Answer{"attaches the label", labelsOf(s)}
	}
	return Answer{"does something else", labelsOf(s)}
}

func askPlainPut(q *Question) Answer {
	s := q.secret("put")
	second := q.token("")
	q.must(s.put(second, function.Value(second)))
	if s.holder("AWSCURRENT") == second && s.holder("AWSPREVIOUS") == s.first {
		return Answer{Is: "moves AWSCURRENT, and AWSPREVIOUS to where it was"}
	}
	return Answer{"does something else", labelsOf(s)}
}

// twoVersions is a secret with a second version, which has a label of its own.
func twoVersions(q *Question, word string) (s *secret, second string) {
	s = q.secret(word)
	second = q.token("")
	q.must(s.put(second, function.Value(second), "second"))
	return s, second
}

// labelsOf tells the labels of each version, the first one as such.
func labelsOf(s *secret) string {
	var all []string
	for id, labels := range s.described().VersionIdsToStages {
		which := "another version: "
		if id == s.first {
			which = "the first version: "
		}
		all = append(all, which+strings.Join(labels, ", "))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func askUnlabelled(q *Question) Answer {
	s, second := twoVersions(q, "unlabelled")
	q.must(s.move("second", "", second))
	q.settle()
	if code := q.code(s.read(second, "")); code != "" {
		return Answer{Is: "no: " + code}
	}
	return Answer{Is: "yes"}
}

func askServerTime(q *Question) Answer {
	s := q.secret("time")
	if q.err != nil {
		return Answer{}
	}
	out, err := q.a.secrets.DescribeSecret(q.ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(s.arn)})
	if err != nil {
		q.must(err)
		return Answer{}
	}
	told, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		return Answer{Is: "no"}
	}
	return Answer{"yes", "it is " + q.a.place.Now().Sub(told).Abs().Round(time.Second).String() + " from that of this machine"}
}
