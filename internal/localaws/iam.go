package localaws

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// IAMUser is a user of IAM.
type IAMUser struct {
	Name           string
	Path           string // default /
	Tags           map[string]string
	Policies       []string // the ARNs of the managed policies that are attached
	InlinePolicies []string // the names of those that the user has itself
}

// AccessKey is what IAM knows of an access key, its secret included.
type AccessKey struct {
	ID      string
	Secret  string
	User    string // name
	Status  string // Active or Inactive
	Created time.Time
}

// The statuses of an access key.
const (
	keyActive   = "Active"
	keyInactive = "Inactive"
)

// keysPerUser is IAM's quota, which cannot be raised.
const keysPerUser = 2

// iam is the IAM service. Its lock guards everything below it.
type iam struct {
	srv *Server

	mu    sync.Mutex
	users []*iamUser
	keys  map[string]*accessKey // by id; deleted ones too, which may be used until that has spread
}

type iamUser struct {
	IAMUser
	id      string
	created time.Time
	keys    []*accessKey // in the order of their creation
}

type accessKey struct {
	AccessKey
	uses []keyUse // what its users see of it, and from when on, in order of time

	lastUsed, lastRegion, lastService string // "" until it is used
}

// keyUse is whether a key may be used from a time on, which is a real one: it bounds what other processes see.
type keyUse struct {
	from    time.Time
	allowed bool
}

func newIAM(s *Server) *iam { return &iam{srv: s, keys: map[string]*accessKey{}} }

func (i *iam) service() *queryService {
	list := []string{userName, "Marker", "MaxItems"}
	return &queryService{
		name:    "iam",
		version: "2010-05-08",
		operations: map[string]queryOperation{
			"GetUser":                  {parameters: []string{userName}, apply: i.getUser},
			"ListUserTags":             {parameters: list, apply: i.listUserTags},
			"ListAttachedUserPolicies": {parameters: list, apply: i.listAttachedUserPolicies},
			"ListUserPolicies":         {parameters: list, apply: i.listUserPolicies},
			"ListAccessKeys":           {parameters: list, apply: i.listAccessKeys},
			"CreateAccessKey":          {parameters: []string{userName}, apply: i.createAccessKey},
			"UpdateAccessKey":          {parameters: []string{userName, accessKeyIDParameter, "Status"}, apply: i.updateAccessKey},
			"DeleteAccessKey":          {parameters: []string{userName, accessKeyIDParameter}, apply: i.deleteAccessKey},
			"GetAccessKeyLastUsed":     {parameters: []string{accessKeyIDParameter}, apply: i.getAccessKeyLastUsed},
		},
	}
}

// AddIAMUser makes a user, without keys.
func (s *Server) AddIAMUser(u IAMUser) error {
	i := s.iam
	i.mu.Lock()
	defer i.mu.Unlock()
	if u.Name == "" {
		return fmt.Errorf("localaws: an IAM user needs a Name")
	}
	if _, err := i.findUser(u.Name); err == nil {
		return fmt.Errorf("localaws: IAM user %q exists", u.Name)
	}
	setDefault(&u.Path, "/")
	i.users = append(i.users, &iamUser{IAMUser: u, id: "AIDA" + randomText(17, base32Digits), created: i.now()})
	return nil
}

// TagIAMUser gives a user a tag, in place of one with the same key.
func (s *Server) TagIAMUser(name, key, value string) error {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	u, err := s.iam.findUser(name)
	if err != nil {
		return err
	}
	tags := maps.Clone(u.Tags) // AddIAMUser's caller has the map, too
	if tags == nil {
		tags = map[string]string{}
	}
	tags[key] = value
	u.Tags = tags
	return nil
}

// IAMUserARN returns the ARN of a user, "" when there is none.
func (s *Server) IAMUserARN(name string) string {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	u, err := s.iam.findUser(name)
	if err != nil {
		return ""
	}
	return s.iam.arn(u)
}

// AddAccessKey makes an access key that may be used at once, as one that has been there for long. The quota holds.
func (s *Server) AddAccessKey(user string) (AccessKey, error) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	u, err := s.iam.findUser(user)
	if err != nil {
		return AccessKey{}, err
	}
	k, err := s.iam.addKey(u)
	if err != nil {
		return AccessKey{}, err
	}
	k.uses = []keyUse{{allowed: true}}
	return k.AccessKey, nil
}

// AccessKeys returns the keys of a user as IAM lists them, in the order of their creation, and none when there is no such
// user.
func (s *Server) AccessKeys(user string) []AccessKey {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	var keys []AccessKey
	if u, err := s.iam.findUser(user); err == nil {
		for _, k := range u.keys {
			keys = append(keys, k.AccessKey)
		}
	}
	return keys
}

// keyUser is the name of the user who has a key, or had it; "" when there has been none.
func (s *Server) keyUser(accessKeyID string) string {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	if k := s.iam.keys[accessKeyID]; k != nil {
		return k.User
	}
	return ""
}

// KeyAccepts tells what a service that is called with an access key would find: the key's secret, and whether the key may
// be used now. Changes reach it after [Options.IAMPropagation]. For a key that has never been, the secret is "".
func (s *Server) KeyAccepts(accessKeyID string) (secret string, active bool) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	k := s.iam.keys[accessKeyID]
	if k == nil {
		return "", false
	}
	now := time.Now()
	for _, use := range k.uses {
		if !use.from.After(now) {
			active = use.allowed
		}
	}
	return k.Secret, active
}

// MarkKeyUsed has GetAccessKeyLastUsed tell of a use of the key now, for a service such as ses. Nothing else does:
// whether AWS counts a login by SMTP is not documented.
func (s *Server) MarkKeyUsed(accessKeyID, service string) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	if k := s.iam.keys[accessKeyID]; k != nil {
		k.lastUsed, k.lastRegion, k.lastService = iso8601(s.iam.now()), s.opts.Region, service
	}
}

// now is the time as IAM tells it: to the second.
func (i *iam) now() time.Time { return i.srv.clock.Now().Truncate(time.Second) }

// changeUse lets a key be used, or not, once the change has spread. The caller holds the lock.
func (i *iam) changeUse(k *accessKey, allowed bool) {
	k.uses = append(k.uses, keyUse{time.Now().Add(i.srv.opts.IAMPropagation), allowed})
}

// addKey makes a key, which cannot be used yet. The caller holds the lock.
func (i *iam) addKey(u *iamUser) (*accessKey, error) {
	if len(u.keys) >= keysPerUser {
		return nil, &Error{
			Code:    "LimitExceeded",
			Message: fmt.Sprintf("Cannot exceed quota for AccessKeysPerUser: %d", keysPerUser),
			Status:  http.StatusConflict,
		}
	}
	k := &accessKey{AccessKey: AccessKey{
		ID:      "AKIA" + randomText(16, base32Digits),
		Secret:  randomText(40, letters+digits+"+/"),
		User:    u.Name,
		Status:  keyActive,
		Created: i.now(),
	}}
	u.keys = append(u.keys, k)
	i.keys[k.ID] = k
	return k, nil
}

// base32Digits are the characters of IAM's ids.
const base32Digits = uppercase + "234567"

// findUser finds a user by its name, whose case does not matter. The caller holds the lock.
func (i *iam) findUser(name string) (*iamUser, error) {
	n := slices.IndexFunc(i.users, func(u *iamUser) bool { return strings.EqualFold(u.Name, name) })
	if n < 0 {
		return nil, noSuchEntity("The user with name " + name + " cannot be found.")
	}
	return i.users[n], nil
}

// findKey finds a user's key. The caller holds the lock.
func (u *iamUser) findKey(id string) (*accessKey, error) {
	n := slices.IndexFunc(u.keys, func(k *accessKey) bool { return k.ID == id })
	if n < 0 {
		return nil, noSuchEntity("The Access Key with id " + id + " cannot be found.")
	}
	return u.keys[n], nil
}

func noSuchEntity(message string) *Error {
	return &Error{Code: "NoSuchEntity", Message: message, Status: http.StatusNotFound}
}

func iamValidation(message string) *Error {
	return &Error{Code: "ValidationError", Message: message}
}

// tagList is a user's tags, in the order of their keys.
func (u *iamUser) tagList() []iamTag {
	var tags []iamTag
	for key, value := range u.Tags {
		tags = append(tags, iamTag{key, value})
	}
	slices.SortFunc(tags, func(a, b iamTag) int { return cmp.Compare(a.Key, b.Key) })
	return tags
}
