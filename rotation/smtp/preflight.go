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

// noKey is an access key id that nobody has: IAM's ids contain no zeros.
const noKey = "AKIA0000000000000000"

// sendPolicy is all that the IAM user needs.
const sendPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ses:SendRawEmail","Resource":"*"}]}`

// Preflight checks everything that a rotation needs, as far as that is possible without changing
// anything. See [credential.Target].
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
	add("the access key in the secret is active, and belongs to that user", listErr, nil)
	if err == nil && listErr == nil {
		problem, warning := k.secondSlot(keys, c.keyID, tag)
		add("the IAM user has room for a second access key", problem, warning)
	}
	if err == nil {
		add("the IAM user belongs to this secret alone, by its tag "+OwnerTag, nil, k.untagged(tag))
		add("the function may deactivate and delete the user's access keys", k.mayRemove(ctx), nil)
		add("the IAM user is permanent, and may only send mail", nil, errors.Join(k.dated(), k.tooMuch(ctx)))
	}
	problem, warning := k.login(ctx, c, nil), error(nil)
	if credential.OutcomeOf(problem) == credential.Denied || credential.IsTemporary(problem) {
		problem, warning = nil, problem // a rotation creates another one
	}
	add("the SMTP server can be reached, and accepts the credential", problem, warning)
	return checks
}

// secondSlot checks for room. A preflight cannot tell whether a second key is lost, or an old one
// whose overlap is open.
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
			return fmt.Errorf("%w, and without the tag %s the function does not delete it even if no version of the secret stores it: tag the user (`%s`), or delete the key once nothing uses it. If it is the old one of a rotation whose overlap is open, wait until that ends",
				err, OwnerTag, tagCommand(k.config.User, "<the secret's ARN>")), nil
		}
		return nil, fmt.Errorf("%w: the next rotation deletes it if no version of the secret stores it. If one does, its overlap is open, and has to end first", err)
	}
	return nil, nil
}

func (k *Kind) untagged(tag string) error {
	if tag != "" {
		return nil
	}
	return fmt.Errorf("the IAM user %s has no such tag, so an access key left behind by a crash would block all further rotations until someone deletes it. If the user belongs to this secret alone: `%s`",
		k.config.User, tagCommand(k.config.User, "<the secret's ARN>"))
}

// mayRemove tries both on a key that nobody has: IAM checks the permission first. Creating a key
// cannot be rehearsed.
func (k *Kind) mayRemove(ctx context.Context) error {
	return errors.Join(k.deactivate(ctx, noKey), k.remove(ctx, noKey))
}

// datedName matches the user names that the runbook makes, one for each rotation.
var datedName = regexp.MustCompile(`-\d{8}$`)

func (k *Kind) dated() error {
	if !datedName.MatchString(k.config.User) {
		return nil
	}
	return fmt.Errorf("the name of the IAM user %s ends in a date, as if it was created for a single rotation. This function rotates the keys of a permanent user: create one, store the credential of one of its keys in the secret, and set SMTP_IAM_USER", k.config.User)
}

// tooMuch checks for the policy that the runbook attaches.
func (k *Kind) tooMuch(ctx context.Context) error {
	pages := iam.NewListAttachedUserPoliciesPaginator(k.config.IAM, &iam.ListAttachedUserPoliciesInput{UserName: &k.config.User})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return k.explain(err, "read the policies", "iam:ListAttachedUserPolicies")
		}
		for _, policy := range page.AttachedPolicies {
			if strings.HasSuffix(aws.ToString(policy.PolicyArn), "/AmazonSESFullAccess") {
				return fmt.Errorf("the IAM user %s has the policy AmazonSESFullAccess, so whoever learns the credential may do everything in SES. It only needs %s", k.config.User, sendPolicy)
			}
		}
	}
	return nil
}
