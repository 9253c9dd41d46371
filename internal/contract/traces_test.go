package contract_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/wire"
)

// neighbourhood is a stand-in in which there are things of somebody else.
type neighbourhood struct {
	*localaws.Server
	t       *testing.T
	archive contract.Archive
	before  string
	calls   int // before the run
}

const timeLayout = "20060102t150405z" // of a run's id

// neighbours makes things that no run may touch: some of a deployment, some with a run's name and no tag, some with a tag and
// another name, and those of a run that may be going on.
func neighbours(t *testing.T, srv *localaws.Server) *neighbourhood {
	t.Helper()
	n := &neighbourhood{Server: srv, t: t, archive: archive(t)}
	now := srv.Clock().Now()
	young, old := now.Add(-50*time.Minute).Format(timeLayout)+"-abc", now.Add(-100*time.Hour).Format(timeLayout)+"-abc"
	n.make("mautic-prod", "")
	n.make(contract.Prefix+"notes", "")
	n.make(contract.Prefix+old+"-1", "")
	n.make("tagged", old)
	n.make(contract.Prefix+young, young)
	n.make(contract.Prefix+old+"x", old)
	n.settle()
	return n
}

// make makes a secret, a function, its log group and a role of a name, with the tag of a run or without.
func (n *neighbourhood) make(name, run string) {
	n.t.Helper()
	ctx, cfg := n.t.Context(), n.Config()
	tags := map[string]string{"team": "crm"}
	if run != "" {
		tags = map[string]string{contract.TagKey: run}
	}
	var secretTags []types.Tag
	var roleTags []iamtypes.Tag
	for key, value := range tags {
		secretTags = append(secretTags, types.Tag{Key: &key, Value: &value})
		roleTags = append(roleTags, iamtypes.Tag{Key: &key, Value: &value})
	}
	secretName := name
	if strings.HasSuffix(name, "-abc") {
		secretName += "-plain-1"
	}
	_, err := secretsmanager.NewFromConfig(cfg).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &secretName, SecretString: aws.String("{}"), Tags: secretTags})
	n.must(err)
	role, err := iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, Path: aws.String("/mautic-rotation-contract/"), AssumeRolePolicyDocument: aws.String("{}"), Tags: roleTags,
	})
	n.must(err)
	_, err = iam.NewFromConfig(cfg).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("contract"), PolicyDocument: aws.String("{}")})
	n.must(err)
	_, err = cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/aws/lambda/" + name), Tags: tags})
	n.must(err)
	_, err = lambda.NewFromConfig(cfg).CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Role: role.Role.Arn, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code: &lambdatypes.FunctionCode{ZipFile: n.archive.Zip}, Tags: tags,
	})
	n.must(err)
}

func (n *neighbourhood) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// settle takes what there is now as what there is to be.
func (n *neighbourhood) settle() {
	n.before, n.calls = n.all(), len(n.Calls())
}

// all is all that there is: each secret with its versions, labels and tags, functions, roles and log groups.
func (n *neighbourhood) all() string {
	log := fmt.Sprintf("%v", n.Logs.Tags())
	for name := range n.Lambda.Tags() {
		log += fmt.Sprintf("%v", n.Logs.Messages("/aws/lambda/"+name))
	}
	var versions []string
	for arn := range n.SecretsManager.Tags() {
		state, err := n.SecretsManager.State(arn)
		n.must(err)
		versions = append(versions, fmt.Sprintf("%+v", state))
	}
	slices.Sort(versions)
	return fmt.Sprintf("%s\n%v\n%v\n%x\n%+v\n%s", strings.Join(versions, "\n"), n.SecretsManager.Tags(), n.Lambda.Tags(),
		n.SecretsManager.AppendDigest(nil), n.IAM.Roles(), log)
}

// without are the calls that name nothing, and read lists and tags alone.
var without = []string{"GetCallerIdentity", "GetResources", "ListRoles"}

// leavesAllElseAlone checks that nothing is left of the runs, that the neighbours are as they were, byte for byte, and that no
// call has named anything but what is the runs'.
func (n *neighbourhood) leavesAllElseAlone(runs ...string) {
	n.t.Helper()
	if after := n.all(); after != n.before {
		n.t.Errorf("there is, or was:\n%s\nnow:\n%s", n.before, after)
	}
	for _, c := range n.Calls()[n.calls:] {
		names := c.SecretID + " " + c.Detail
		ours := slices.ContainsFunc(runs, func(run string) bool { return strings.Contains(names, contract.Prefix+run) })
		if !ours && !slices.Contains(without, c.Operation) && c.Operation != "ListRoleTags" {
			n.t.Errorf("%s %s was called for %s", c.Service, c.Operation, names)
		}
	}
}

func (n *neighbourhood) count(operation string) (count int) {
	for _, c := range n.Calls()[n.calls:] {
		if c.Operation == operation && c.Caller.Function == "" {
			count++
		}
	}
	return count
}

// open opens an account with the function in it.
func (n *neighbourhood) open(ctx context.Context) *contract.Account {
	n.t.Helper()
	account, err := contract.Open(ctx, contract.StandIn(n.Server))
	n.must(err)
	n.must(account.Deploy(ctx, n.archive))
	return account
}

func TestAWholeRunLeavesNothingBehindAndTouchesNothingElse(t *testing.T) {
	t.Parallel()
	n := neighbours(t, strict(t, plainRotations("")))
	place := contract.StandIn(n.Server)
	place.Policies = true // so that nothing is left out
	account, err := contract.Open(t.Context(), place)
	n.must(err)
	n.must(account.Deploy(t.Context(), n.archive))
	if n.all() == n.before {
		t.Error("what a deployment makes is not seen")
	}
	contract.Ask(t.Context(), account, contract.Facts(), contract.Options{})
	n.must(account.Clean(t.Context()))
	n.leavesAllElseAlone(account.Run())
	if made := n.count("CreateSecret"); made > contract.MostSecrets || made < contract.MostSecrets-5 {
		t.Errorf("%d secrets were made, and people are told of %d at most", made, contract.MostSecrets)
	}
	n.must(account.Clean(t.Context())) // there is nothing to do any more
	if deleted := n.count("DeleteFunction"); deleted != 1 {
		t.Errorf("the function was deleted %d times", deleted)
	}
}

func TestAFactThatFailsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	n := neighbours(t, start(t, localaws.Options{}))
	account := n.open(t.Context())
	n.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == "PutSecretValue" && c.Caller.Function == "" || c.Operation == "RotateSecret" {
			return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: "you may not", Status: 403}}
		}
		return wire.Fault{}
	})
	facts := append(named(t, "without labels?", "well invoke the function", "when a step fails"),
		contract.Fact{Name: "is this asked after all?", Believed: []string{"no"}, Ask: func(*contract.Question) contract.Answer {
			return contract.Answer{Is: "yes"}
		}},
		contract.Fact{Name: "does this panic?", Ask: func(*contract.Question) contract.Answer { panic("out of order") }})
	results := contract.Ask(t.Context(), account, facts, contract.Options{})
	for _, r := range results[:3] {
		if !r.Failed || r.Outcome != contract.NotAsked || r.Answer.Is != "" || !strings.Contains(r.Why, "you may not") {
			t.Errorf("%s: %s, %+v, %s", r.Fact.Name, r.Outcome, r.Answer, r.Why)
		}
	}
	if r := results[4]; !r.Failed || !strings.Contains(r.Why, "out of order") {
		t.Errorf("%+v", r)
	}
	if r := results[3]; r.Outcome != contract.Differs || contract.Clean(results) {
		t.Errorf("%+v", r)
	}
	n.Intercept(nil)
	n.must(account.Clean(t.Context()))
	n.leavesAllElseAlone(account.Run())
}

func TestADeploymentThatFailsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	srv := start(t, localaws.Options{})
	n := neighbours(t, srv)
	for _, operation := range []string{"CreateRole", "PutRolePolicy", "CreateLogGroup", "CreateFunction", "CreateAlias", "PutFunctionEventInvokeConfig"} {
		n.Intercept(func(c wire.Call) wire.Fault {
			if c.Operation == operation {
				return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: "you may not", Status: 403}}
			}
			return wire.Fault{}
		})
		account, err := contract.Open(t.Context(), contract.StandIn(srv))
		n.must(err)
		if err := account.Deploy(t.Context(), n.archive); err == nil || !strings.Contains(err.Error(), "you may not") {
			t.Errorf("%s: %v", operation, err)
		}
		n.must(account.Clean(t.Context()))
		n.leavesAllElseAlone(account.Run())
		n.settle()
	}
}

func TestAnInterruptInTheMidstLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"CreateSecret", "RotateSecret", "FilterLogEvents", "CreateRole", "CreateFunction"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			srv := start(t, localaws.Options{})
			n := neighbours(t, srv)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			deleting := make(chan struct{})
			deletes := sync.OnceFunc(func() { close(deleting) })
			n.Intercept(func(c wire.Call) wire.Fault {
				switch {
				case strings.HasPrefix(c.Operation, "Delete"):
					deletes()
				case c.Operation == operation:
					// The call is on its way, and is applied. If it is not waited for, that is when all has been removed.
					return wire.Fault{Before: func() {
						interrupt()
						select {
						case <-deleting:
						case <-time.After(200 * time.Millisecond):
						}
					}}
				}
				return wire.Fault{}
			})
			account, err := contract.Open(ctx, contract.StandIn(srv))
			n.must(err)
			err = account.Deploy(ctx, n.archive)
			if deploys := slices.Contains([]string{"CreateRole", "CreateFunction"}, operation); (err != nil) != deploys {
				t.Fatalf("%v", err)
			}
			if err == nil {
				results := contract.Ask(ctx, account, contract.Facts(), contract.Options{})
				last := slices.DeleteFunc(results, func(r contract.Result) bool { return r.Fact.Unasked != "" || r.Fact.Policies })
				for _, r := range last[len(last)-3:] {
					if r.Outcome != contract.NotAsked || r.Why != "interrupted" || !r.Failed {
						t.Errorf("%s: %s, %s", r.Fact.Name, r.Outcome, r.Why)
					}
				}
			}
			n.must(account.Clean(context.WithoutCancel(ctx)))
			n.leavesAllElseAlone(account.Run())
		})
	}
}

func TestWhatCannotBeRemovedIsToldAndRemovedTheNextTime(t *testing.T) {
	t.Parallel()
	n := neighbours(t, start(t, localaws.Options{}))
	account := n.open(t.Context())
	var refused atomic.Bool
	n.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == "DeleteFunction" && refused.CompareAndSwap(false, true) {
			return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: "you may not", Status: 403}}
		}
		return wire.Fault{}
	})
	if err := account.Clean(t.Context()); err == nil || !strings.Contains(err.Error(), "remove the function "+contract.Prefix+account.Run()) {
		t.Errorf("%v", err)
	}
	n.must(account.Clean(t.Context()))
	n.leavesAllElseAlone(account.Run())
}

func TestWhatAKilledRunHasLeftIsRemovedOnceItIsAnHourOld(t *testing.T) {
	t.Parallel()
	n := neighbours(t, start(t, localaws.Options{}))
	killed := n.open(t.Context())
	contract.Ask(t.Context(), killed, named(t, "without labels?"), contract.Options{})

	look := func() (*contract.Account, contract.Leftovers) {
		account, err := contract.Open(t.Context(), contract.StandIn(n.Server))
		n.must(err)
		left, err := account.Leftovers(t.Context())
		n.must(err)
		return account, left
	}
	if _, left := look(); len(left) > 0 {
		t.Errorf("taken for left behind: %q", left.Names())
	}
	n.Clock().Advance(9 * time.Minute) // the neighbours' run, too, is young
	if _, left := look(); len(left) > 0 {
		t.Errorf("taken for left behind: %q", left.Names())
	}
	// The neighbours' run is an hour old now, and is taken for one that was killed.
	n.Clock().Advance(52 * time.Minute)
	account, left := look()
	names := strings.Join(left.Names(), "\n")
	if len(left) != 8 || strings.Count(names, killed.Run()) != 4 {
		t.Errorf("%d are left:\n%s", len(left), names)
	}
	n.must(account.Sweep(t.Context(), left))
	if _, left := look(); len(left) > 0 {
		t.Errorf("still left: %q", left.Names())
	}
	for _, name := range []string{"mautic-prod", contract.Prefix + "notes", "tagged"} {
		if _, err := n.SecretsManager.State(name); err != nil || n.Lambda.Exists(name) != nil || n.IAM.Roles()[name].Name == "" {
			t.Errorf("%s was touched", name)
		}
	}
}
