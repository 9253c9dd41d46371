package smtp

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mautic-rotation/rotation/credential"
)

// MinOverlap is 0: what uses the credential are tasks of the services, which
// are all replaced.
func (k *Kind) MinOverlap() time.Duration { return 0 }

// Exclusive keeps nobody away. IAM has no lock, and needs none here: to switch
// a key off or to delete it comes to the same end by however many it is done,
// and no login of theirs looks to another like somebody's use.
func (k *Kind) Exclusive(context.Context, credential.Overlap) (release func(), ok bool, err error) {
	return func() {}, true, nil
}

// overlap reads both sides of an overlap. own is false where the old version
// has the current key, with another password: then the key stays.
func (k *Kind) overlap(o credential.Overlap) (current, old account, own bool, err error) {
	if current, err = k.account(o.Current); err != nil {
		return account{}, account{}, false, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if old, err = k.account(o.Old); err != nil {
		return account{}, account{}, false, fmt.Errorf("the old version: %w", err)
	}
	return current, old, current.keyID != old.keyID, nil
}

// InUse waits, and sees nothing: what IAM tells of a key's last use is logged,
// but AWS does not say whether it counts logins by SMTP, and it comes late.
func (k *Kind) InUse(ctx context.Context, o credential.Overlap, watch time.Duration) (credential.Use, error) {
	_, old, own, err := k.overlap(o)
	if err != nil {
		return credential.Use{}, err
	}
	select {
	case <-time.After(watch):
	case <-ctx.Done():
		return credential.Use{}, ctx.Err()
	}
	if !own {
		return credential.Use{}, nil
	}
	out, err := k.config.IAM.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &old.keyID})
	if isGone(err) {
		return credential.Use{}, nil
	}
	if err != nil {
		o.Log.Info("IAM does not tell when the old access key was last used, which is a hint and no more", "key", short(old.keyID), "why", k.explain(err, "read the last use of an access key", "iam:GetAccessKeyLastUsed"))
		return credential.Use{}, nil
	}
	if used := out.AccessKeyLastUsed; used != nil && used.LastUsedDate != nil {
		o.Log.Info("when IAM saw the old access key used last", "key", short(old.keyID), "at", *used.LastUsedDate, "service", aws.ToString(used.ServiceName), "region", aws.ToString(used.Region))
	}
	return credential.Use{}, nil
}

// Quarantine makes the old key inactive, once the current one is proven.
func (k *Kind) Quarantine(ctx context.Context, o credential.Overlap) error {
	_, err := k.switchOff(ctx, o)
	return err
}

// switchOff makes the old key inactive, and tells whether it is there at all.
// The current one is proven before.
func (k *Kind) switchOff(ctx context.Context, o credential.Overlap) (there bool, err error) {
	current, old, own, err := k.overlap(o)
	if err != nil || !own {
		return false, err
	}
	keys, _, err := k.list(ctx)
	if err != nil {
		return false, err
	}
	key, there := keys.find(old.keyID)
	if !there || !key.active {
		return there, nil
	}
	if err := k.inUse(keys, current.keyID); err != nil {
		return false, fmt.Errorf("the old access key stays, since the current one would not work: %w", err)
	}
	if err := k.accepted(ctx, current); err != nil {
		return false, fmt.Errorf("the old access key stays, since the current one is not seen to work: %w", err)
	}
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return false, err
	}
	return true, k.deactivate(ctx, old.keyID)
}

// Restore makes the old key active again. It does not ask Confirm: to restore
// is right whatever has become of the labels.
func (k *Kind) Restore(ctx context.Context, o credential.Overlap) error {
	_, old, _, err := k.overlap(o)
	if err != nil {
		return err
	}
	return k.ensureActive(ctx, old.keyID, nil)
}

// Retire deletes the old key, and logs in with it until that is refused.
func (k *Kind) Retire(ctx context.Context, o credential.Overlap) error {
	_, old, _, err := k.overlap(o)
	if err != nil {
		return err
	}
	there, err := k.switchOff(ctx, o)
	if err != nil {
		return err
	}
	if there {
		if err := credential.Confirmed(ctx, o.Confirm); err != nil {
			return err
		}
		if err := k.remove(ctx, old.keyID); err != nil {
			return err
		}
	}
	return k.refused(ctx, old)
}
