package cloudformation

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// schemas.json has, by type, what CloudFormation's published resource schemas say
// of an update. It is cut out of them by a program, and says of which.
//
//go:generate python3 ../../tools/template/schemas.py ../../template.yaml schemas.json
//go:embed schemas.json
var schemasText []byte

// A Schema is what an update of a type's resources depends on. Properties are
// named as in the schema, one within another with a slash: "A/B".
type Schema struct {
	// CreateOnly are those that an update cannot change: with another value
	// CloudFormation makes another resource, and deletes this one.
	CreateOnly []string
	// MaybeCreateOnly are those of which that depends on the value.
	MaybeCreateOnly []string
	// WriteOnly are those that CloudFormation sets, and nobody reads back.
	WriteOnly []string
	// Tags is the property that has the resource's tags; "": it takes none.
	Tags string
}

var readSchemas = sync.OnceValues(func() (map[string]Schema, error) {
	var all struct{ Types map[string]Schema }
	err := json.Unmarshal(schemasText, &all)
	return all.Types, err
})

// transformed are SAM's types, each with what it becomes, which has the same
// properties as far as a schema names them.
var transformed = map[string]string{"AWS::Serverless::Function": "AWS::Lambda::Function"}

// SchemaOf is what is known of a type, SAM's function among them.
func SchemaOf(kind string) (Schema, error) {
	schemas, err := readSchemas()
	if err != nil {
		return Schema{}, fmt.Errorf("schemas.json: %w", err)
	}
	name := kind
	if becomes := transformed[kind]; becomes != "" {
		name = becomes
	}
	schema, known := schemas[name]
	if !known {
		return Schema{}, fmt.Errorf("what an update cannot change of a %s is not known: run go generate ./internal/cloudformation", kind)
	}
	return schema, nil
}

// ReplacedBy tells whether an update that turns r into next puts another
// resource in its place. Where the schema says that it may, it does.
func (r Resource) ReplacedBy(next Resource) (bool, error) {
	schema, err := SchemaOf(r.Type)
	if err != nil {
		return false, err
	}
	if r.Type != next.Type {
		return true, nil
	}
	for _, path := range slices.Concat(schema.CreateOnly, schema.MaybeCreateOnly) {
		if !reflect.DeepEqual(r.at(path), next.at(path)) {
			return true, nil
		}
	}
	return false, nil
}

// at is a property, or one within others; nil: it is not set.
func (r Resource) at(path string) any {
	var value any = r.Properties
	for name := range strings.SplitSeq(path, "/") {
		within, _ := value.(map[string]any)
		value = within[name]
	}
	return value
}

// FixedName is the name that a resource asks for, which nothing else of its type
// can have: "" where CloudFormation makes one up, or where the type has none.
func (r Resource) FixedName() (string, error) {
	if _, err := SchemaOf(r.Type); err != nil {
		return "", err
	}
	name, _ := r.Properties[identities[r.Type].name].(string)
	return name, nil
}
