package localaws

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Parameters of IAM's operations.
const (
	userName             = "UserName"
	accessKeyIDParameter = "AccessKeyId"
)

// iso8601 is a time as IAM writes it.
func iso8601(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// requestedUser finds the user that a request is about. IAM takes the caller for it where none is named, but no caller
// of the stand-in is an IAM user. The caller holds the lock.
func (i *iam) requestedUser(in url.Values) (*iamUser, error) {
	name := in.Get(userName)
	if name == "" {
		return nil, iamValidation("Must specify userName when calling with non-User credentials")
	}
	return i.findUser(name)
}

// requestedKey finds the user's key that a request is about. The caller holds the lock.
func (i *iam) requestedKey(in url.Values) (*iamUser, *accessKey, error) {
	u, err := i.requestedUser(in)
	if err != nil {
		return nil, nil, err
	}
	k, err := u.findKey(in.Get(accessKeyIDParameter))
	return u, k, err
}

// iamPage cuts the page of a list that a request asks for. The pages may be smaller than it allows, as AWS's may.
func iamPage[T any](i *iam, list []T, in url.Values) (part []T, p paging, err error) {
	most := 100
	if text := in.Get("MaxItems"); text != "" {
		most, err = strconv.Atoi(text)
		if err != nil || most < 1 || most > 1000 {
			return nil, paging{}, iamValidation("1 validation error detected: Value '" + text + "' at 'maxItems' failed to satisfy constraint: " +
				"Member must have value between 1 and 1000")
		}
	}
	size := min(cmp.Or(i.srv.opts.IAMPageSize, most), most)
	part, p.Marker, err = page(list, size, most, in.Get("Marker"))
	if err != nil {
		return nil, paging{}, iamValidation("Invalid Marker.")
	}
	p.IsTruncated = p.Marker != ""
	return part, p, nil
}

type paging struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// listOf applies a request for a list of what a user has.
func listOf[T any](i *iam, in url.Values, of func(*iamUser) []T) (part []T, p paging, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	u, err := i.requestedUser(in)
	if err != nil {
		return nil, paging{}, err
	}
	return iamPage(i, of(u), in)
}

type iamTag struct{ Key, Value string }

type listUserTagsResult struct {
	Tags []iamTag `xml:"Tags>member"`
	paging
}

func (i *iam) listUserTags(in url.Values) (any, error) {
	tags, p, err := listOf(i, in, (*iamUser).tagList)
	return &listUserTagsResult{tags, p}, err
}

type attachedPolicyShape struct{ PolicyArn, PolicyName string }

type listAttachedUserPoliciesResult struct {
	Policies []attachedPolicyShape `xml:"AttachedPolicies>member"`
	paging
}

func (i *iam) listAttachedUserPolicies(in url.Values) (any, error) {
	policies, p, err := listOf(i, in, func(u *iamUser) (list []attachedPolicyShape) {
		for _, arn := range u.Policies {
			list = append(list, attachedPolicyShape{arn, lastPart(arn)})
		}
		return list
	})
	return &listAttachedUserPoliciesResult{policies, p}, err
}

type listUserPoliciesResult struct {
	Names []string `xml:"PolicyNames>member"`
	paging
}

func (i *iam) listUserPolicies(in url.Values) (any, error) {
	names, p, err := listOf(i, in, func(u *iamUser) []string { return u.InlinePolicies })
	return &listUserPoliciesResult{names, p}, err
}

type keyMetadataShape struct {
	UserName    string
	AccessKeyID string `xml:"AccessKeyId"`
	Status      string
	CreateDate  string
}

type listAccessKeysResult struct {
	Keys []keyMetadataShape `xml:"AccessKeyMetadata>member"`
	paging
}

func (i *iam) listAccessKeys(in url.Values) (any, error) {
	keys, p, err := listOf(i, in, func(u *iamUser) (list []keyMetadataShape) {
		for _, k := range u.keys {
			list = append(list, keyMetadataShape{k.User, k.ID, k.Status, iso8601(k.Created)})
		}
		return list
	})
	return &listAccessKeysResult{keys, p}, err
}

type iamUserShape struct {
	Path       string
	UserName   string
	UserID     string `xml:"UserId"`
	ARN        string `xml:"Arn"`
	CreateDate string
	Tags       []iamTag `xml:"Tags>member,omitempty"`
}

type getUserResult struct{ User iamUserShape }

func (i *iam) getUser(in url.Values) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	u, err := i.requestedUser(in)
	if err != nil {
		return nil, err
	}
	return &getUserResult{iamUserShape{u.Path, u.Name, u.id, i.arn(u), iso8601(u.created), u.tagList()}}, nil
}

// arn is a user's, without a region: IAM has none.
func (i *iam) arn(u *iamUser) string {
	return "arn:aws:iam::" + i.srv.opts.AccountID + ":user" + u.Path + u.Name
}

type createdKeyShape struct {
	UserName        string
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          string
	SecretAccessKey string
	CreateDate      string
}

type createAccessKeyResult struct{ AccessKey createdKeyShape }

// createAccessKey answers with the secret, which no other operation does.
func (i *iam) createAccessKey(in url.Values) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	u, err := i.requestedUser(in)
	if err != nil {
		return nil, err
	}
	k, err := i.addKey(u)
	if err != nil {
		return nil, err
	}
	i.changeUse(k, true)
	return &createAccessKeyResult{createdKeyShape{k.User, k.ID, k.Status, k.Secret, iso8601(k.Created)}}, nil
}

func (i *iam) updateAccessKey(in url.Values) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	status := in.Get("Status")
	if status != keyActive && status != keyInactive {
		return nil, iamValidation("1 validation error detected: Value '" + status + "' at 'status' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [Active, Inactive]")
	}
	_, k, err := i.requestedKey(in)
	if err != nil {
		return nil, err
	}
	k.Status = status
	i.changeUse(k, status == keyActive)
	return nil, nil
}

// deleteAccessKey takes active keys too.
func (i *iam) deleteAccessKey(in url.Values) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	u, k, err := i.requestedKey(in)
	if err != nil {
		return nil, err
	}
	u.keys = slices.DeleteFunc(u.keys, func(other *accessKey) bool { return other == k })
	i.changeUse(k, false)
	return nil, nil
}

type lastUsedShape struct {
	LastUsedDate string `xml:",omitempty"`
	Region       string
	ServiceName  string
}

type getAccessKeyLastUsedResult struct {
	UserName          string
	AccessKeyLastUsed lastUsedShape
}

// getAccessKeyLastUsed takes no user. Of a key that does not exist IAM says no more than of another account's.
func (i *iam) getAccessKeyLastUsed(in url.Values) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id := in.Get(accessKeyIDParameter)
	for _, u := range i.users {
		if k, err := u.findKey(id); err == nil {
			return &getAccessKeyLastUsedResult{u.Name, lastUsedShape{
				k.lastUsed, cmp.Or(k.lastRegion, "N/A"), cmp.Or(k.lastService, "N/A"),
			}}, nil
		}
	}
	return nil, &Error{
		Code:    "AccessDenied",
		Message: fmt.Sprintf("User: arn:aws:iam::%s:root is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key %s", i.srv.opts.AccountID, id),
		Status:  http.StatusForbidden,
	}
}
