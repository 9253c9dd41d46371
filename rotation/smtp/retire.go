package smtp

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mautic-rotation/rotation/credential"
)

// MinOverlap is 0: only tasks of the services use the credential, and all of them are replaced.
func (k *Kind) MinOverlap() time.Duration { return 0 }

// Exclusive locks nothing. IAM has no lock, and needs none here: deactivating or deleting a key
// has the same result however many do it, and none of their logins looks like use by the
// application.
func (k *Kind) Exclusive(context.Context, credential.Overlap) (release func(), ok bool, err error) {
	return func() {}, true, nil
}

// overlap reads both sides of an overlap. own is false if the old version has the current key
// with another password: then the key stays.
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
const lateAndPartial = "AWS reports an access key's last use late, and does not say whether SMTP logins count, so nothing shows that the old one is unused: make sure that only the services' tasks send mail with it"

// InUse asks IAM when the old key was last used, and then waits. A use after o.Since counts. If
// there was none, that proves little, and so does the watch, because IAM reports late. This
// function logs in with an old key only after deleting it, to prove that it is refused, and IAM
// no longer reports use of it then.
func (k *Kind) InUse(ctx context.Context, o credential.Overlap, watch time.Duration) (credential.Use, error) {
	_, old, own, err := k.overlap(o)
	if err != nil {
		return credential.Use{}, err
	}
	use := credential.Use{Told: true} // the key stays, so nobody loses it
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

// lastUse returns what IAM says about the old key.
func (k *Kind) lastUse(ctx context.Context, o credential.Overlap, old account) (credential.Use, error) {
	out, err := k.config.IAM.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &old.keyID})
	switch {
	case ctx.Err() != nil:
		return credential.Use{}, ctx.Err()
	case err != nil:
		// For a key that does not exist, IAM answers AccessDenied, as for another account's.
		if keys, _, listErr := k.list(ctx); listErr == nil {
			if _, exists := keys.find(old.keyID); !exists {
				return credential.Use{Told: true}, nil
			}
		}
		why := k.explain(err, "read the last use of an access key", "iam:GetAccessKeyLastUsed")
		o.Log.Info("IAM does not say when the old access key was last used", "key", short(old.keyID), "why", why)
		return credential.Use{Gap: fmt.Sprintf("its use was not observed: %v", why)}, nil
	}
	use := credential.Use{Gap: lateAndPartial}
	if used := out.AccessKeyLastUsed; used != nil && used.LastUsedDate != nil {
		o.Log.Info("when IAM last saw the old access key used", "key", short(old.keyID), "at", *used.LastUsedDate, "service", aws.ToString(used.ServiceName), "region", aws.ToString(used.Region))
		if !o.Since.IsZero() && used.LastUsedDate.After(o.Since) {
			use.Seen = fmt.Sprintf("the old access key %s was used at %s, for %s in %s", short(old.keyID), used.LastUsedDate.UTC().Format(time.RFC3339), aws.ToString(used.ServiceName), aws.ToString(used.Region))
		}
	}
	return use, nil
}

// Quarantine deactivates the old key, after proving the current one.
func (k *Kind) Quarantine(ctx context.Context, o credential.Overlap) error {
	_, err := k.switchOff(ctx, o)
	return err
}

// switchOff deactivates the old key, after proving the current one, and reports whether the old
// one exists.
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
		return false, fmt.Errorf("the old access key stays active, since the current one would not work: %w", err)
	}
	if err := k.accepted(ctx, current); err != nil {
		return false, fmt.Errorf("the old access key stays active, since the current one was not seen to work: %w", err)
	}
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return false, err
	}
	return true, k.deactivate(ctx, old.keyID)
}

// Restore activates the old key again. It does not call Confirm: restoring is right whatever has
// happened to the labels.
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
