// Package iam stands in for AWS's IAM: users that a test makes, their access keys, and what can be read of them. It exists
// for the SMTP credentials of SES, which are access keys.
//
// Users are made with [StandIn.AddUser], and [StandIn.TagUser] tags them later; a function gives them keys, at most two each,
// and takes these away. Nothing in the stand-in is called with such a key. What is, as SES by SMTP, asks
// [StandIn.KeyAccepts], which learns of a change when [Options.Propagation] is over, while lists show it at once:
//
//	err = srv.IAM.AddUser(iam.User{Name: "mautic-smtp"})
//	key, err := srv.IAM.AddAccessKey("mautic-smtp")
//	secret, active := srv.IAM.KeyAccepts(key.ID)
//
// Roles are made through the API, with inline policies, for functions that are deployed through Lambda's.
//
// What it does not do: groups, managed policies, roles that are assumed, and users made through the API. Whether a function may
// make a call is not decided here, but by the wire package's Authorizer.
package iam

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Options of a StandIn.
type Options struct {
	// PageSize is the most that a list has in one reply. 0 means what the request asks for, 100 if it does not.
	PageSize int

	// Propagation is how long a new access key, a change of its status and its deletion take until whoever is called with
	// the key sees them, as [StandIn.KeyAccepts] tells. It is a real duration.
	Propagation time.Duration
}

// User is a user of IAM.
type User struct {
	Name           string
	Path           string // default /
	Tags           map[string]string
	Policies       []string // the ARNs of the managed policies that are attached
	InlinePolicies []string // the names of the policies that are the user's own
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
	active   = "Active"
	inactive = "Inactive"
)

// keysPerUser is IAM's quota, which cannot be raised.
const keysPerUser = 2

// StandIn is the IAM service. Its operations start no goroutine and wait for nothing. The lock guards everything below it.
type StandIn struct {
	env  host.Env
	opts Options

	mu    sync.Mutex
	users []*user
	roles []*Role
	keys  map[string]*key // by id; deleted ones too, which may be used until that has spread
}

type user struct {
	User
	id      string
	created time.Time
	keys    []*key // in the order of their creation
}

type key struct {
	AccessKey
	uses []keyUse // what its users see of it, and from when on, in order of time

	lastUsed, lastRegion, lastService string // "" until it is used
}

// keyUse is whether a key may be used from a time on, which is a real one: it bounds what other processes see.
type keyUse struct {
	from    time.Time
	allowed bool
}

// New makes a stand-in without users.
func New(env host.Env, o Options) *StandIn {
	return &StandIn{env: env, opts: o, keys: map[string]*key{}}
}

// AddUser makes a user, without keys.
func (s *StandIn) AddUser(u User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Name == "" {
		return fmt.Errorf("localaws: an IAM user needs a Name")
	}
	if _, err := s.findUser(u.Name); err == nil {
		return fmt.Errorf("localaws: IAM user %q exists", u.Name)
	}
	u.Path = cmp.Or(u.Path, "/")
	s.users = append(s.users, &user{User: u, id: "AIDA" + s.env.Random.Text(17, host.Base32), created: s.now()})
	return nil
}

// TagUser gives a user a tag, in place of one with the same key.
func (s *StandIn) TagUser(name, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.findUser(name)
	if err != nil {
		return err
	}
	tags := maps.Clone(u.Tags) // AddUser's caller has the map, too
	if tags == nil {
		tags = map[string]string{}
	}
	tags[key] = value
	u.Tags = tags
	return nil
}

// UserARN returns the ARN of a user, "" if there is none.
func (s *StandIn) UserARN(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.findUser(name)
	if err != nil {
		return ""
	}
	return s.arn(u)
}

// AddAccessKey makes an access key that may be used at once, as one that was made long ago. The quota holds.
func (s *StandIn) AddAccessKey(user string) (AccessKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.findUser(user)
	if err != nil {
		return AccessKey{}, err
	}
	k, err := s.addKey(u)
	if err != nil {
		return AccessKey{}, err
	}
	k.uses = []keyUse{{allowed: true}}
	return k.AccessKey, nil
}

// AccessKeys returns the keys of a user as IAM lists them, in the order of their creation, and none if there is no such
// user.
func (s *StandIn) AccessKeys(user string) []AccessKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []AccessKey
	if u, err := s.findUser(user); err == nil {
		for _, k := range u.keys {
			keys = append(keys, k.AccessKey)
		}
	}
	return keys
}

// keyUser is the name of the user who has a key, or had it; "" if there never was such a key.
func (s *StandIn) keyUser(accessKeyID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[accessKeyID]; k != nil {
		return k.User
	}
	return ""
}

// KeyAccepts tells what a service that is called with an access key would find: the key's secret, and whether the key may
// be used now. Changes reach it after [Options.Propagation]. For a key that never existed, the secret is "".
func (s *StandIn) KeyAccepts(accessKeyID string) (secret string, active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[accessKeyID]
	if k == nil {
		return "", false
	}
	now := s.env.RealNow()
	for _, use := range k.uses {
		if !use.from.After(now) {
			active = use.allowed
		}
	}
	return k.Secret, active
}

// MarkKeyUsed has GetAccessKeyLastUsed tell of a use of the key now, for a service such as ses. Nothing else does:
// whether AWS counts a login by SMTP is not documented.
func (s *StandIn) MarkKeyUsed(accessKeyID, service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[accessKeyID]; k != nil {
		k.lastUsed, k.lastRegion, k.lastService = iso8601(s.now()), s.env.Account.Region, service
	}
}

// now is the time as IAM tells it: to the second.
func (s *StandIn) now() time.Time { return s.env.Now().Truncate(time.Second) }

// changeUse lets a key be used, or not, once the change has spread. The caller holds the lock.
func (s *StandIn) changeUse(k *key, allowed bool) {
	k.uses = append(k.uses, keyUse{s.env.RealNow().Add(s.opts.Propagation), allowed})
}

// addKey makes a key, which cannot be used yet. The caller holds the lock.
func (s *StandIn) addKey(u *user) (*key, error) {
	if len(u.keys) >= keysPerUser {
		return nil, &wire.Error{
			Code:    "LimitExceeded",
			Message: fmt.Sprintf("Cannot exceed quota for AccessKeysPerUser: %d", keysPerUser),
			Status:  http.StatusConflict,
		}
	}
	k := &key{AccessKey: AccessKey{
		ID:      "AKIA" + s.env.Random.Text(16, host.Base32),
		Secret:  s.env.Random.Text(40, host.Letters+host.Digits+"+/"),
		User:    u.Name,
		Status:  active,
		Created: s.now(),
	}}
	u.keys = append(u.keys, k)
	s.keys[k.ID] = k
	return k, nil
}

// findUser finds a user by its name, whose case does not matter. The caller holds the lock.
func (s *StandIn) findUser(name string) (*user, error) {
	n := slices.IndexFunc(s.users, func(u *user) bool { return strings.EqualFold(u.Name, name) })
	if n < 0 {
		return nil, noSuchEntity("The user with name " + name + " cannot be found.")
	}
	return s.users[n], nil
}

// findKey finds a user's key. The caller holds the lock.
func (u *user) findKey(id string) (*key, error) {
	n := slices.IndexFunc(u.keys, func(k *key) bool { return k.ID == id })
	if n < 0 {
		return nil, noSuchEntity("The Access Key with id " + id + " cannot be found.")
	}
	return u.keys[n], nil
}

func noSuchEntity(message string) *wire.Error {
	return &wire.Error{Code: "NoSuchEntity", Message: message, Status: http.StatusNotFound}
}

func validationError(message string) *wire.Error {
	return &wire.Error{Code: "ValidationError", Message: message}
}

// arn is a user's, without a region: IAM has none.
func (s *StandIn) arn(u *user) string {
	return "arn:aws:iam::" + s.env.Account.ID + ":user" + u.Path + u.Name
}

// tagList is a user's tags, in the order of their keys.
func (u *user) tagList() []Tag { return tagList(u.Tags) }

func tagList(tags map[string]string) (list []Tag) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, Tag{key, tags[key]})
	}
	return list
}
