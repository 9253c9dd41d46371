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
// and no login of theirs looks to another like use by the application.
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

// lateAndPartial is what IAM's last use of a key cannot show.
const lateAndPartial = "AWS tells of an access key's last use late, and not whether that counts logins by SMTP, so nothing shows that the old one is not used: make sure that only the services' tasks send mail with it"

// InUse asks IAM when the old key was last used, and then waits. A use since
// o.Since counts. To have seen none means little, and so does the watch: what IAM
// tells comes late. This function logs in with an old key to prove it refused, once
// it is deleted, when IAM knows of no use any more.
func (k *Kind) InUse(ctx context.Context, o credential.Overlap, watch time.Duration) (credential.Use, error) {
	_, old, own, err := k.overlap(o)
	if err != nil {
		return credential.Use{}, err
	}
	use := credential.Use{Told: true} // a key that stays is not taken away from anybody
	if own {
		if use, err = k.lastUse(ctx, o, old); err != nil || use.Seen != "" {
			return use, err
		}
	}
	select {
	case <-time.After(watch):
		return use, nil
	case <-ctx.Done():
		return credential.Use{}, ctx.Err()
	}
}

// lastUse is what IAM tells of the old key.
func (k *Kind) lastUse(ctx context.Context, o credential.Overlap, old account) (credential.Use, error) {
	out, err := k.config.IAM.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &old.keyID})
	switch {
	case ctx.Err() != nil:
		return credential.Use{}, ctx.Err()
	case err != nil:
		// Of a key that does not exist IAM says no more than of another account's:
		// AccessDenied.
		if keys, _, listErr := k.list(ctx); listErr == nil {
			if _, exists := keys.find(old.keyID); !exists {
				return credential.Use{Told: true}, nil
			}
		}
		why := k.explain(err, "read the last use of an access key", "iam:GetAccessKeyLastUsed")
		o.Log.Info("IAM does not tell when the old access key was last used", "key", short(old.keyID), "why", why)
		return credential.Use{Gap: fmt.Sprintf("its use was not observed: %v", why)}, nil
	}
	use := credential.Use{Gap: lateAndPartial}
	if used := out.AccessKeyLastUsed; used != nil && used.LastUsedDate != nil {
		o.Log.Info("when IAM saw the old access key used last", "key", short(old.keyID), "at", *used.LastUsedDate, "service", aws.ToString(used.ServiceName), "region", aws.ToString(used.Region))
		if !o.Since.IsZero() && used.LastUsedDate.After(o.Since) {
			use.Seen = fmt.Sprintf("the old access key %s was used at %s, for %s in %s", short(old.keyID), used.LastUsedDate.UTC().Format(time.RFC3339), aws.ToString(used.ServiceName), aws.ToString(used.Region))
		}
	}
	return use, nil
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
