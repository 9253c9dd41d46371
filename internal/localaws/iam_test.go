package localaws_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	localiam "mautic-rotation/internal/localaws/iam"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

func (f *fixture) iam() *iam.Client { return iam.NewFromConfig(localtest.ClientConfig(f.Server)) }

func (f *fixture) user(u localiam.User) {
	f.T.Helper()
	if err := f.IAM.AddUser(u); err != nil {
		f.T.Fatal(err)
	}
}

// The tests' user is "smtp".

func (f *fixture) createKey() *types.AccessKey {
	f.T.Helper()
	out, err := f.iam().CreateAccessKey(f.Ctx, &iam.CreateAccessKeyInput{UserName: aws.String("smtp")})
	if err != nil {
		f.T.Fatal(err)
	}
	return out.AccessKey
}

func (f *fixture) setStatus(id string, status types.StatusType) error {
	_, err := f.iam().UpdateAccessKey(f.Ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("smtp"), AccessKeyId: &id, Status: status})
	return err
}

func (f *fixture) deleteKey(id string) error {
	_, err := f.iam().DeleteAccessKey(f.Ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("smtp"), AccessKeyId: &id})
	return err
}

// listKeys lists the keys as "<id> <status>".
func (f *fixture) listKeys() []string {
	f.T.Helper()
	out, err := f.iam().ListAccessKeys(f.Ctx, &iam.ListAccessKeysInput{UserName: aws.String("smtp")})
	if err != nil {
		f.T.Fatal(err)
	}
	var list []string
	for _, k := range out.AccessKeyMetadata {
		list = append(list, *k.AccessKeyId+" "+string(k.Status))
	}
	return list
}

func (f *fixture) accepts(id string) bool {
	_, active := f.IAM.KeyAccepts(id)
	return active
}

func TestAnAccessKeyFromItsCreationToItsDeletion(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC)
	f := start(t, localaws.Options{Clock: host.ClockAt(created)})
	f.user(localiam.User{Name: "smtp"})
	if got := f.listKeys(); len(got) != 0 {
		t.Errorf("at first: %q", got)
	}

	k := f.createKey()
	id := *k.AccessKeyId
	if *k.UserName != "smtp" || k.Status != types.StatusTypeActive || len(id) != 20 || !strings.HasPrefix(id, "AKIA") || len(*k.SecretAccessKey) != 40 {
		t.Errorf("created %s %s %s with a secret of %d characters", id, *k.UserName, k.Status, len(*k.SecretAccessKey))
	}
	if late := k.CreateDate.Sub(created.Truncate(time.Second)); late < 0 || late > time.Minute || k.CreateDate.Nanosecond() != 0 {
		t.Errorf("created at %s", k.CreateDate)
	}
	state := f.IAM.AccessKeys("smtp")
	if want := (localiam.AccessKey{ID: id, Secret: *k.SecretAccessKey, User: "smtp", Status: "Active", Created: *k.CreateDate}); len(state) != 1 || state[0] != want {
		t.Error("the state is not what was answered")
	}
	secret, active := f.IAM.KeyAccepts(id)
	if !active || secret != *k.SecretAccessKey {
		t.Errorf("accepted: %v, with the secret: %v", active, secret == *k.SecretAccessKey)
	}

	for _, status := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeInactive, types.StatusTypeActive} {
		if err := f.setStatus(id, status); err != nil {
			t.Fatal(err)
		}
		if got := f.listKeys(); !slices.Equal(got, []string{id + " " + string(status)}) || f.accepts(id) != (status == types.StatusTypeActive) {
			t.Errorf("%s: listed %q, accepted: %v", status, got, f.accepts(id))
		}
	}

	if err := f.deleteKey(id); err != nil {
		t.Fatal(err)
	}
	if got := f.listKeys(); len(got) != 0 || f.accepts(id) || len(f.IAM.AccessKeys("smtp")) != 0 {
		t.Errorf("after the deletion: %q, accepted: %v", got, f.accepts(id))
	}
	missing := "The Access Key with id " + id + " cannot be found."
	localtest.WantError(t, f.deleteKey(id), "NoSuchEntity", missing)
	err := f.setStatus(id, types.StatusTypeActive)
	localtest.WantError(t, err, "NoSuchEntity", missing)
	if _, ok := errors.AsType[*types.NoSuchEntityException](err); !ok {
		t.Errorf("it is a %T", err)
	}
}

func TestAUserHasTwoAccessKeysAtMost(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.user(localiam.User{Name: "smtp"})
	first, err := f.IAM.AddAccessKey("smtp")
	if err != nil {
		t.Fatal(err)
	}
	second := f.createKey()
	_, err = f.iam().CreateAccessKey(f.Ctx, &iam.CreateAccessKeyInput{UserName: aws.String("smtp")})
	localtest.WantError(t, err, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	if _, ok := errors.AsType[*types.LimitExceededException](err); !ok {
		t.Errorf("it is a %T", err)
	}
	if _, err := f.IAM.AddAccessKey("smtp"); err == nil {
		t.Error("a third key was added")
	}
	if got, want := f.listKeys(), []string{first.ID + " Active", *second.AccessKeyId + " Active"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}

	// An inactive key counts; one that is deleted does not.
	if err := f.setStatus(first.ID, types.StatusTypeInactive); err != nil {
		t.Fatal(err)
	}
	_, err = f.iam().CreateAccessKey(f.Ctx, &iam.CreateAccessKeyInput{UserName: aws.String("smtp")})
	localtest.WantError(t, err, "LimitExceeded", "")
	if err := f.deleteKey(first.ID); err != nil {
		t.Fatal(err)
	}
	f.createKey()
}

func TestChangesOfAKeyTakeTimeToSpread(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		propagation time.Duration
		spreads     bool
	}{
		"soon":  {50 * time.Millisecond, true},
		"never": {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{IAMPropagation: c.propagation})
			f.user(localiam.User{Name: "smtp"})
			old, err := f.IAM.AddAccessKey("smtp")
			if err != nil || !f.accepts(old.ID) {
				t.Fatalf("%v, accepted: %v", err, f.accepts(old.ID))
			}
			began := time.Now()
			fresh := f.createKey()
			if err := f.setStatus(old.ID, types.StatusTypeInactive); err != nil {
				t.Fatal(err)
			}
			if got, want := f.listKeys(), []string{old.ID + " Inactive", *fresh.AccessKeyId + " Active"}; !slices.Equal(got, want) {
				t.Errorf("listed %q, want %q", got, want)
			}
			if c.spreads {
				f.awaitUse(*fresh.AccessKeyId, true)
				f.awaitUse(old.ID, false)
				if passed := time.Since(began); passed < c.propagation {
					t.Errorf("after %s", passed)
				}
				if err := f.deleteKey(*fresh.AccessKeyId); err != nil {
					t.Fatal(err)
				}
				f.awaitUse(*fresh.AccessKeyId, false)
				return
			}
			if f.accepts(*fresh.AccessKeyId) || !f.accepts(old.ID) {
				t.Error("the changes were seen at once")
			}
			if err := f.deleteKey(old.ID); err != nil {
				t.Fatal(err)
			}
			if !f.accepts(old.ID) {
				t.Error("the deletion was seen at once")
			}
		})
	}
}

// awaitUse waits until a key is accepted, or until it is not.
func (f *fixture) awaitUse(id string, accepted bool) {
	f.T.Helper()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for f.accepts(id) != accepted {
		select {
		case <-pace.C:
		case <-f.Ctx.Done():
			f.T.Fatalf("%s: still accepted: %v", id, !accepted)
		}
	}
}

func TestAUserIsTold(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{IAMPageSize: 1})
	policies := []string{"arn:aws:iam::123456789012:policy/ses", "arn:aws:iam::aws:policy/AmazonSESFullAccess"}
	f.user(localiam.User{
		Name: "smtp", Path: "/mail/", Tags: map[string]string{"Team": "web"},
		Policies: policies, InlinePolicies: []string{"AmazonSesSendingAccess", "more"},
	})
	f.user(localiam.User{Name: "other"})
	for _, app := range []string{"another", "mautic"} {
		if err := f.IAM.TagUser("smtp", "App", app); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.IAM.AddUser(localiam.User{Name: "SMTP"}); err == nil {
		t.Error("a user was added twice")
	}
	f.createKey()
	f.createKey()

	out, err := f.iam().GetUser(f.Ctx, &iam.GetUserInput{UserName: aws.String("smtp")})
	if err != nil {
		t.Fatal(err)
	}
	if u := out.User; *u.UserName != "smtp" || *u.Path != "/mail/" || *u.Arn != "arn:aws:iam::123456789012:user/mail/smtp" || len(u.Tags) != 2 ||
		!strings.HasPrefix(*u.UserId, "AIDA") || u.CreateDate == nil {
		t.Errorf("%+v", u)
	}
	if got := f.IAM.UserARN("smtp"); got != *out.User.Arn || f.IAM.UserARN("gone") != "" {
		t.Errorf("the ARN is %q", got)
	}
	if out, err := f.iam().GetUser(f.Ctx, &iam.GetUserInput{UserName: aws.String("other")}); err != nil || len(out.User.Tags) != 0 || *out.User.Path != "/" {
		t.Errorf("%+v, %v", out, err)
	}

	var tags, attached, inline, keys []string
	for p := iam.NewListUserTagsPaginator(f.iam(), &iam.ListUserTagsInput{UserName: aws.String("smtp")}); p.HasMorePages(); {
		page, err := p.NextPage(f.Ctx)
		if err != nil || len(page.Tags) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		tags = append(tags, *page.Tags[0].Key+"="+*page.Tags[0].Value)
	}
	for p := iam.NewListAttachedUserPoliciesPaginator(f.iam(), &iam.ListAttachedUserPoliciesInput{UserName: aws.String("smtp")}); p.HasMorePages(); {
		page, err := p.NextPage(f.Ctx)
		if err != nil || len(page.AttachedPolicies) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		attached = append(attached, *page.AttachedPolicies[0].PolicyArn+" "+*page.AttachedPolicies[0].PolicyName)
	}
	for p := iam.NewListUserPoliciesPaginator(f.iam(), &iam.ListUserPoliciesInput{UserName: aws.String("smtp")}); p.HasMorePages(); {
		page, err := p.NextPage(f.Ctx)
		if err != nil || len(page.PolicyNames) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		inline = append(inline, page.PolicyNames...)
	}
	for p := iam.NewListAccessKeysPaginator(f.iam(), &iam.ListAccessKeysInput{UserName: aws.String("smtp"), MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(f.Ctx)
		if err != nil || len(page.AccessKeyMetadata) != 1 || page.IsTruncated != (page.Marker != nil) {
			t.Fatalf("%+v, %v", page, err)
		}
		keys = append(keys, *page.AccessKeyMetadata[0].AccessKeyId)
	}
	state := f.IAM.AccessKeys("smtp")
	for _, c := range []struct{ got, want []string }{
		{tags, []string{"App=mautic", "Team=web"}},
		{attached, []string{policies[0] + " ses", policies[1] + " AmazonSESFullAccess"}},
		{inline, []string{"AmazonSesSendingAccess", "more"}},
		{keys, []string{state[0].ID, state[1].ID}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("listed %q, want %q", c.got, c.want)
		}
	}
}

func TestTheLastUseOfAKey(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Region: "eu-west-1"})
	f.user(localiam.User{Name: "smtp"})
	k := f.createKey()
	lastUsed := func(id string) (*iam.GetAccessKeyLastUsedOutput, error) {
		return f.iam().GetAccessKeyLastUsed(f.Ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &id})
	}
	out, err := lastUsed(*k.AccessKeyId)
	if err != nil || *out.UserName != "smtp" || out.AccessKeyLastUsed.LastUsedDate != nil || *out.AccessKeyLastUsed.ServiceName != "N/A" || *out.AccessKeyLastUsed.Region != "N/A" {
		t.Errorf("before: %+v, %v", out, err)
	}
	f.Clock().Advance(time.Hour)
	f.IAM.MarkKeyUsed(*k.AccessKeyId, "ses")
	out, err = lastUsed(*k.AccessKeyId)
	if err != nil || out.AccessKeyLastUsed.LastUsedDate.Sub(*k.CreateDate) < time.Hour || *out.AccessKeyLastUsed.ServiceName != "ses" || *out.AccessKeyLastUsed.Region != "eu-west-1" {
		t.Errorf("after: %+v, %v", out, err)
	}
	_, err = lastUsed("AKIAIOSFODNN7EXAMPLE")
	localtest.WantError(t, err, "AccessDenied", "iam:GetAccessKeyLastUsed on resource: access key AKIAIOSFODNN7EXAMPLE")
}

func TestWhatIAMRefuses(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.user(localiam.User{Name: "smtp"})
	f.user(localiam.User{Name: "other"})
	k := f.createKey()

	_, err := f.iam().CreateAccessKey(f.Ctx, &iam.CreateAccessKeyInput{UserName: aws.String("gone")})
	localtest.WantError(t, err, "NoSuchEntity", "The user with name gone cannot be found.")
	if err := f.IAM.TagUser("gone", "App", "mautic"); err == nil {
		t.Error("a user that is not there was tagged")
	}
	_, err = f.iam().ListAccessKeys(f.Ctx, &iam.ListAccessKeysInput{UserName: aws.String("gone")})
	localtest.WantError(t, err, "NoSuchEntity", "The user with name gone cannot be found.")
	_, err = f.iam().ListAccessKeys(f.Ctx, &iam.ListAccessKeysInput{})
	localtest.WantError(t, err, "ValidationError", "Must specify userName when calling with non-User credentials")
	_, err = f.iam().DeleteAccessKey(f.Ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("other"), AccessKeyId: k.AccessKeyId})
	localtest.WantError(t, err, "NoSuchEntity", "The Access Key with id "+*k.AccessKeyId)
	localtest.WantError(t, f.setStatus(*k.AccessKeyId, "Broken"), "ValidationError", "'Broken' at 'status'")
	_, err = f.iam().ListUserTags(f.Ctx, &iam.ListUserTagsInput{UserName: aws.String("smtp"), MaxItems: aws.Int32(1001)})
	localtest.WantError(t, err, "ValidationError", "'maxItems'")
	_, err = f.iam().ListUserTags(f.Ctx, &iam.ListUserTagsInput{UserName: aws.String("smtp"), Marker: aws.String("?")})
	localtest.WantError(t, err, "ValidationError", "Marker")
	_, err = f.iam().ListUsers(f.Ctx, &iam.ListUsersInput{})
	localtest.WantError(t, err, "InvalidAction", "")
	if got := f.listKeys(); !slices.Equal(got, []string{*k.AccessKeyId + " Active"}) {
		t.Errorf("in the end: %q", got)
	}
}

func TestCallsOfIAMAreRecordedAndFailAsOthersDo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.user(localiam.User{Name: "smtp"})
	f.FaultOnce("CreateAccessKey", wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: "not authorized to perform: iam:CreateAccessKey", Status: 403}})
	_, err := f.iam().CreateAccessKey(f.Ctx, &iam.CreateAccessKeyInput{UserName: aws.String("smtp")})
	localtest.WantError(t, err, "AccessDenied", "iam:CreateAccessKey")
	if got := f.IAM.AccessKeys("smtp"); len(got) != 0 {
		t.Errorf("%d keys were made", len(got))
	}

	// The SDK tries again, and so a lost reply leaves a key whose secret nobody has.
	f.FaultOnce("CreateAccessKey", wire.Fault{LoseReply: true})
	k := f.createKey()
	keys := f.IAM.AccessKeys("smtp")
	if len(keys) != 2 || keys[1].ID != *k.AccessKeyId {
		t.Errorf("%d keys were made", len(keys))
	}
	if got := f.Outcomes("CreateAccessKey"); !slices.Equal(got, []string{"AccessDenied", wire.NoReplyLost, ""}) {
		t.Errorf("the calls ended with %q", got)
	}
	if err := f.setStatus(keys[0].ID, types.StatusTypeInactive); err != nil {
		t.Fatal(err)
	}
	calls := f.Calls()
	if c := calls[len(calls)-1]; c.Service != "iam" || c.Detail != "UserName=smtp AccessKeyId="+keys[0].ID+" Status=Inactive" {
		t.Errorf("%+v", c)
	}
	for _, told := range []string{fmt.Sprintf("%+v", calls), fmt.Sprintf("%+v", f.Events())} {
		if strings.Contains(told, keys[0].Secret) || strings.Contains(told, keys[1].Secret) {
			t.Error("the record tells a secret")
		}
	}
}

func TestAFunctionReachesIAM(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.user(localiam.User{Name: "smtp"})
	f.Function(locallambda.Function{Name: "fn", Timeout: 20 * time.Second})
	f.FaultOnce("CreateAccessKey", wire.Fault{KillAfter: true})
	if _, _, body := f.InvokeHTTP("fn", "RequestResponse", `{"Do":"key","Text":"smtp"}`); !strings.Contains(body, "signal: killed") {
		t.Error(body)
	}
	if got := f.IAM.AccessKeys("smtp"); len(got) != 1 {
		t.Errorf("%d keys were made", len(got))
	}
	if c := f.Calls()[1]; c.Operation != "CreateAccessKey" || c.Caller.Function != "fn" || c.ErrorCode != wire.NoReplyKilled {
		t.Errorf("%+v", c)
	}
}
