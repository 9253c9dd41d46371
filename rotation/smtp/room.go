package smtp

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/credential"
)

// What follows decides from what was observed, and changes nothing.

// observed is an IAM user, and what the secret's versions hold of it.
type observed struct {
	user  string
	keys  accessKeys
	tag   string // the value of OwnerTag; "": there is none
	owner string // the secret's ARN

	held []string  // the ids of keys that the versions hold
	busy bool      // a rotation may be about to store another one
	now  time.Time // by IAM's clock
}

// grace is how long a key may be on its way into the secret. IAM tells times to
// the second.
const grace = credential.MaxInvocation + time.Minute

// lost are the keys that no version holds, nor ever will. Where the versions
// hold none of the user's keys, the user is not the one that the secret is
// about, whatever its tag says, and nothing is lost.
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

// room are the keys to take away before the user can be given another one,
// beside current, which is AWSCURRENT's. In an emergency that is whatever else
// there is: it has leaked no less.
func (o observed) room(current string, emergency bool) (accessKeys, error) {
	if o.tag != "" && o.tag != o.owner {
		return nil, fmt.Errorf("the IAM user %s is another secret's by its tag %s (%s), and that one's rotation would take this one's access keys away: give each secret a user of its own (SMTP_IAM_USER)", o.user, OwnerTag, o.tag)
	}
	if len(o.keys) < quota {
		return nil, nil
	}
	o.held = append(slices.Clone(o.held), current)
	others := slices.DeleteFunc(slices.Clone(o.keys), func(key accessKey) bool { return key.id == current })
	unheld := slices.DeleteFunc(slices.Clone(others), func(key accessKey) bool { return slices.Contains(o.held, key.id) })
	switch {
	case len(unheld) > 0 && o.tag == "":
		id := unheld[0].id // in full: it is in no version of the secret
		return nil, fmt.Errorf("the IAM user %[1]s has %[2]d access keys already, and no version of the secret holds %[3]s. It may be another secret's or program's, so it is left. If the user is this secret's alone, have such keys taken away: `%[4]s`. Else delete it once nothing uses it: `aws iam delete-access-key --user-name %[1]s --access-key-id %[3]s`",
			o.user, quota, id, tagCommand(o.user, o.owner))
	case len(unheld) > 0:
		lost := o.lost()
		if len(lost) == 0 {
			return nil, fmt.Errorf("the access key %s of the IAM user %s may be on its way into the secret, by another rotation: try again in %s", short(unheld[0].id), o.user, grace)
		}
		return lost, nil
	case !emergency:
		return nil, fmt.Errorf("both access keys of the IAM user %[1]s are in versions of the secret: %[2]s is AWSCURRENT's, and %[3]s an older one's. Where the overlap of that is open (a label that begins with rotation;), wait for its end, or send the event release or abandon. Where it was replaced by hand, delete it once nothing uses it: `aws iam delete-access-key --user-name %[1]s --access-key-id` with the one that ends in %[4]s",
			o.user, short(current), short(others[0].id), others[0].id[max(0, len(others[0].id)-4):])
	case o.tag == "":
		return nil, fmt.Errorf("both access keys of the IAM user %s are in use, and to make room the old one, %s, would have to go now. The user may be another secret's, too. If it is this secret's alone, say so, and start again: `%s`",
			o.user, short(others[0].id), tagCommand(o.user, o.owner))
	}
	return others, nil
}

// tagCommand is how an operator says whose a user is.
func tagCommand(user, owner string) string {
	return fmt.Sprintf("aws iam tag-user --user-name %s --tags Key=%s,Value=%s", user, OwnerTag, owner)
}
