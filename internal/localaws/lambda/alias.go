package lambda

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

// latest is the only version that a function has here.
const latest = "$LATEST"

// Alias is a name for a version of a function.
type Alias struct {
	ARN         string `json:"AliasArn"`
	Name        string
	Version     string `json:"FunctionVersion"` // $LATEST
	Description string
}

// target is what a name, an ARN and a qualifier stand for.
type target struct {
	fn        *function
	qualifier string // as the caller gave it; "" if none
	arn       string // with the qualifier, if there is one
}

// locate finds what is called by a name or an ARN, whole or from the account on, with or without a qualifier, and by a
// qualifier beside it.
func (s *StandIn) locate(id, qualifier string) (target, error) {
	name, derived := splitName(id)
	if derived != "" && qualifier != "" && derived != qualifier {
		return target{}, invalidParameter("The derived qualifier from the function name does not match the specified qualifier.")
	}
	qualifier = cmp.Or(qualifier, derived)
	arn := s.host.Account.ARN("lambda", "function:"+name)
	if qualifier != "" {
		arn += ":" + qualifier
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fn := s.functions[name]
	if fn == nil {
		return target{}, notFound("Function not found: %s", arn)
	}
	if _, there := fn.aliases[qualifier]; !there && qualifier != "" && qualifier != latest {
		return target{}, notFound("Function not found: %s", arn)
	}
	return target{fn, qualifier, arn}, nil
}

// splitName takes apart name, name:alias, account:function:name and arn:aws:lambda:region:account:function:name:alias.
func splitName(id string) (name, qualifier string) {
	parts := strings.Split(id, ":")
	for i, part := range parts {
		if part == "function" && (i == 1 || i == 5) && len(parts) > i+1 {
			parts = parts[i+1:]
			break
		}
	}
	if len(parts) > 1 {
		qualifier = parts[1]
	}
	return parts[0], qualifier
}

var aliasName = regexp.MustCompile(`^[a-zA-Z0-9_-]*[a-zA-Z_-][a-zA-Z0-9_-]*$`)

// CreateAlias makes an alias of a function, for its version $LATEST, and returns it.
func (s *StandIn) CreateAlias(function, name string) (Alias, error) {
	return s.createAlias(function, Alias{Name: name, Version: latest})
}

func (s *StandIn) createAlias(function string, a Alias) (Alias, error) {
	if !aliasName.MatchString(a.Name) {
		return Alias{}, wire.Validation(" '"+a.Name+"'", "name", `satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`)
	}
	t, err := s.locate(function, "")
	if err != nil {
		return Alias{}, err
	}
	if a.Version != latest {
		return Alias{}, notFound("Function not found: %s:%s", t.fn.arn, a.Version)
	}
	a.ARN = t.fn.arn + ":" + a.Name
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := t.fn.aliases[a.Name]; exists {
		return Alias{}, &wire.Error{Code: "ResourceConflictException", Message: "Alias already exists: " + a.ARN, Status: http.StatusConflict}
	}
	t.fn.aliases[a.Name] = a
	return a, nil
}

// GetAlias returns an alias of a function.
func (s *StandIn) GetAlias(function, name string) (Alias, error) {
	t, err := s.locate(function, "")
	if err != nil {
		return Alias{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, there := t.fn.aliases[name]
	if !there {
		return Alias{}, notFound("Cannot find alias arn: %s:%s", t.fn.arn, name)
	}
	return a, nil
}

// notFound is wire.NotFound with the status that the REST services give it.
func notFound(format string, a ...any) *wire.Error {
	e := wire.NotFound(format, a...)
	e.Status = http.StatusNotFound
	return e
}

func invalidParameter(format string, a ...any) *wire.Error {
	return &wire.Error{Code: "InvalidParameterValueException", Message: fmt.Sprintf(format, a...)}
}
