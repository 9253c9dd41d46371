package smtp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// noKey is the id of an access key that nobody has: IAM's ids have no zeros.
const noKey = "AKIA0000000000000000"

// sendPolicy is all that the IAM user needs.
const sendPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ses:SendRawEmail","Resource":"*"}]}`

// Preflight looks at all that a rotation needs, as far as it can be seen
// without changing anything. See [credential.Target].
func (k *Kind) Preflight(ctx context.Context, current document.Document) (checks []credential.Check) {
	add := func(what string, problem, warning error) {
		checks = append(checks, credential.Check{What: what, Problem: problem, Warning: warning})
	}
	c, err := k.account(current)
	add("the secret holds an SMTP credential, and its server is known", err, nil)
	if err != nil {
		return checks
	}
	err = nil
	if c.at.region == "" {
		err = noRegion(c.at)
	}
	add("the region of SES is known", err, nil)

	tag, err := k.owner(ctx)
	add("the IAM user exists", err, nil)
	keys, _, listErr := k.list(ctx)
	if listErr == nil {
		listErr = k.inUse(keys, c.keyID)
	}
	add("the access key in the secret is that user's, and active", listErr, nil)
	if err == nil && listErr == nil {
		problem, warning := k.secondSlot(keys, c.keyID, tag)
		add("the IAM user has room for a second access key", problem, warning)
	}
	if err == nil {
		add("the IAM user is the secret's alone, by its tag "+OwnerTag, nil, k.untagged(tag))
		add("the function may deactivate and delete the user's access keys", k.mayRemove(ctx), nil)
		add("the IAM user lasts, and may do no more than send mail", nil, errors.Join(k.dated(), k.tooMuch(ctx)))
	}
	problem, warning := k.login(ctx, c, nil), error(nil)
	if credential.OutcomeOf(problem) == credential.Denied || credential.IsTemporary(problem) {
		problem, warning = nil, problem // a rotation makes another one
	}
	add("the SMTP server is reached, and accepts the credential", problem, warning)
	return checks
}

// secondSlot looks for room. Whether a key is lost, or an old one whose overlap
// is open, a preflight cannot tell.
func (k *Kind) secondSlot(keys accessKeys, current, tag string) (problem, warning error) {
	for _, key := range keys {
		if len(keys) < quota || key.id == current {
			continue
		}
		state := "active"
		if !key.active {
			state = "inactive"
		}
		err := fmt.Errorf("the IAM user %s has a second access key, %s (%s)", k.config.User, short(key.id), state)
		if tag == "" {
			return fmt.Errorf("%w, and without the tag %s the function does not take it away, should no version of the secret hold it: tag the user (`%s`), or delete the key once nothing uses it. If it is the old one of a rotation whose overlap is open, wait for its end",
				err, OwnerTag, tagCommand(k.config.User, "<the secret's ARN>")), nil
		}
		return nil, fmt.Errorf("%w: the next rotation takes it away if no version of the secret holds it. If one does, its overlap is open, and has to end first", err)
	}
	return nil, nil
}

func (k *Kind) untagged(tag string) error {
	if tag != "" {
		return nil
	}
	return fmt.Errorf("the IAM user %s has no such tag, so an access key that a crash has left behind would block all further rotations until somebody deletes it. If the user is this secret's alone: `%s`",
		k.config.User, tagCommand(k.config.User, "<the secret's ARN>"))
}

// mayRemove tries both on a key that nobody has: IAM looks at the permission
// first. To make a key cannot be tried.
func (k *Kind) mayRemove(ctx context.Context) error {
	return errors.Join(k.deactivate(ctx, noKey), k.remove(ctx, noKey))
}

// datedName is how the runbook names users: it makes one a rotation.
var datedName = regexp.MustCompile(`-\d{8}$`)

func (k *Kind) dated() error {
	if !datedName.MatchString(k.config.User) {
		return nil
	}
	return fmt.Errorf("the name of the IAM user %s ends in a date, as if it was made for one rotation. This function rotates the keys of a user that lasts: create one, store the credential of a key of its in the secret, and set SMTP_IAM_USER", k.config.User)
}

// tooMuch looks for the policy that the runbook attaches.
func (k *Kind) tooMuch(ctx context.Context) error {
	pages := iam.NewListAttachedUserPoliciesPaginator(k.config.IAM, &iam.ListAttachedUserPoliciesInput{UserName: &k.config.User})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return k.explain(err, "look at the policies", "iam:ListAttachedUserPolicies")
		}
		for _, policy := range page.AttachedPolicies {
			if strings.HasSuffix(aws.ToString(policy.PolicyArn), "/AmazonSESFullAccess") {
				return fmt.Errorf("the IAM user %s has the policy AmazonSESFullAccess, so whoever learns the credential may do all that SES can. It needs no more than %s", k.config.User, sendPolicy)
			}
		}
	}
	return nil
}
