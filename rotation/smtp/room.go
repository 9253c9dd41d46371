package smtp

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/credential"
)

// The functions below decide from what was observed, and change nothing.

// observed is an IAM user, and which of its keys the secret's versions store.
type observed struct {
	user  string
	keys  accessKeys
	tag   string // the value of OwnerTag; "": there is none
	owner string // the secret's ARN

	held []string  // the ids of the keys that versions store
	busy bool      // a rotation may be about to store another one
	now  time.Time // by IAM's clock
}

// grace is how long a key may be on its way into the secret. IAM's times are in whole seconds.
const grace = credential.MaxInvocation + time.Minute

// lost returns the keys that no version stores or ever will. If the versions store none of the
// user's keys, the secret is not about this user, whatever its tag says, and nothing is lost.
func (o observed) lost() (keys accessKeys) {
	known := false
	for _, key := range o.keys {
		switch {
		case slices.Contains(o.held, key.id):
			known = true
		case !o.busy || o.now.Sub(key.created) >= grace:
			keys = append(keys, key)
		}
	}
	if !known {
		return nil
	}
	return keys
}

// room returns the keys to delete before the user can get another one beside current, which is
// AWSCURRENT's. In an emergency that is any other key: it counts as leaked too.
func (o observed) room(current string, emergency bool) (accessKeys, error) {
	if o.tag != "" && o.tag != o.owner {
		return nil, fmt.Errorf("the IAM user %s belongs to another secret by its tag %s (%s), and that secret's rotation would delete this one's access keys: give each secret its own user (SMTP_IAM_USER)", o.user, OwnerTag, o.tag)
	}
	if len(o.keys) < quota {
		return nil, nil
	}
	o.held = append(slices.Clone(o.held), current)
	others := slices.DeleteFunc(slices.Clone(o.keys), func(key accessKey) bool { return key.id == current })
	unheld := slices.DeleteFunc(slices.Clone(others), func(key accessKey) bool { return slices.Contains(o.held, key.id) })
	switch {
	case len(unheld) > 0 && o.tag == "":
		id := unheld[0].id // in full: no version of the secret stores it
		return nil, fmt.Errorf("the IAM user %[1]s has %[2]d access keys already, and no version of the secret stores %[3]s. It may belong to another secret or program, so it is left alone. If the user belongs to this secret alone, have such keys deleted: `%[4]s`. Otherwise delete it once nothing uses it: `aws iam delete-access-key --user-name %[1]s --access-key-id %[3]s`",
			o.user, quota, id, tagCommand(o.user, o.owner))
	case len(unheld) > 0:
		lost := o.lost()
		if len(lost) == 0 {
			return nil, fmt.Errorf("the access key %s of the IAM user %s may be about to be stored by another rotation: try again in %s", short(unheld[0].id), o.user, grace)
		}
		return lost, nil
	case !emergency:
		return nil, fmt.Errorf("both access keys of the IAM user %[1]s are in versions of the secret: %[2]s is AWSCURRENT's, and %[3]s is an older version's. If its overlap is open (the version has a label that begins with rotation;), wait until it ends, or send the event release or abandon. If it was replaced by hand, delete it once nothing uses it: `aws iam delete-access-key --user-name %[1]s --access-key-id` with the one that ends in %[4]s",
			o.user, short(current), short(others[0].id), others[0].id[max(0, len(others[0].id)-4):])
	case o.tag == "":
		return nil, fmt.Errorf("both access keys of the IAM user %s are in use, and to make room the old one, %s, would have to be deleted now. The user may belong to another secret as well. If it belongs to this secret alone, say so, and start again: `%s`",
			o.user, short(others[0].id), tagCommand(o.user, o.owner))
	}
	return others, nil
}

// tagCommand is how an operator says who owns a user.
func tagCommand(user, owner string) string {
	return fmt.Sprintf("aws iam tag-user --user-name %s --tags Key=%s,Value=%s", user, OwnerTag, owner)
}
