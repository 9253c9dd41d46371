package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	template "mautic-rotation/internal/cloudformation"
)

// A Provider makes, changes and deletes the resources of a type, as CloudFormation's own
// do it: by calls to the service. Properties are as the template comes to them: texts,
// []any and map[string]any.
type Provider interface {
	// Create makes a resource, and tells by what the other calls know it. After an error
	// there is none.
	Create(ctx context.Context, properties map[string]any) (physicalID string, err error)

	// Update turns a resource's properties from before into after. After an error it is
	// as before.
	Update(ctx context.Context, physicalID string, before, after map[string]any) error

	Delete(ctx context.Context, physicalID string) error
}

// Provide has the resources of a type made by a provider. Those of other types are names
// alone: nothing is made, and a name that is taken is refused. A provider that is nil makes
// them so again.
func (s *StandIn) Provide(kind string, p Provider) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.providers[kind] = p
}

// A Deployment is what a stack is created or updated with. Parameters that it does not give
// have the template's defaults, in an update too.
type Deployment struct {
	StackName  string
	Template   *template.Template
	Parameters map[string]string
}

// deployed is what a stack has been made of.
type deployed struct {
	template  *template.Template
	resources map[string]template.Resource // by logical id
	physical  map[string]string
}

const (
	rolledBackCreate = "ROLLBACK_COMPLETE"
	rolledBackUpdate = "UPDATE_ROLLBACK_COMPLETE"
	updated          = "UPDATE_COMPLETE"
)

// Deploy creates a stack, or updates the one of that name, and is back when that has ended.
// What the template's parameters and rules refuse is a ValidationError, and changes nothing.
// When a resource cannot be made or changed, what was done is taken back in the opposite
// order, and the error is that resource's.
//
// A failed creation deletes what it has made, but what has the DeletionPolicy Retain; the
// stack stays, as ROLLBACK_COMPLETE, and can only be deleted. An update makes what takes
// the place of another before it deletes that.
func (s *StandIn) Deploy(ctx context.Context, d Deployment) error {
	rendered, err := d.Template.Render(template.Options{
		StackName: d.StackName, Region: s.env.Account.Region, AccountID: s.env.Account.ID, Parameters: d.Parameters,
	})
	if err != nil {
		return invalid("%v", err)
	}
	order, err := d.Template.Order(slices.Collect(maps.Keys(rendered.Resources)))
	if err != nil {
		return invalid("%v", err)
	}
	s.deploying.Lock()
	defer s.deploying.Unlock()
	s.mu.Lock()
	stack, err := s.find(d.StackName)
	s.mu.Unlock()
	old := &deployed{}
	status, rolledBack := created, rolledBackCreate
	if err == nil {
		if stack.Status == rolledBackCreate {
			return invalid("Stack:%s is in %s state and can not be updated.", stack.ID, stack.Status)
		}
		if old = stack.deployed; old == nil {
			return invalid("Stack:%s was not made by a template.", stack.ID)
		}
		status, rolledBack = updated, rolledBackUpdate
	}
	next := &deployed{d.Template, rendered.Resources, maps.Clone(old.physical)}
	if next.physical == nil {
		next.physical = map[string]string{}
	}
	o := &operation{s: s, old: old, next: next}
	if err := o.change(ctx, order); err != nil {
		err = errors.Join(err, o.takeBack(ctx))
		if old.template == nil {
			old = &deployed{template: d.Template}
		}
		return errors.Join(err, s.record(d, old, rendered, rolledBack))
	}
	return errors.Join(o.cleanUp(ctx), s.record(d, next, rendered, status))
}

// Delete deletes a stack with its resources, but those whose DeletionPolicy keeps them.
func (s *StandIn) Delete(ctx context.Context, stackName string) error {
	s.deploying.Lock()
	defer s.deploying.Unlock()
	s.mu.Lock()
	stack, err := s.find(stackName)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if stack.deployed == nil {
		return invalid("Stack:%s was not made by a template.", stack.ID)
	}
	o := &operation{s: s, old: stack.deployed, next: &deployed{}}
	if err := o.cleanUp(ctx); err != nil {
		return err
	}
	gone := *stack
	gone.Status, gone.Resources, gone.deployed = deleted, nil, nil
	_, err = s.Put(gone)
	return err
}

// record puts a stack there as it is now.
func (s *StandIn) record(d Deployment, now *deployed, rendered *template.Stack, status string) error {
	stack := Stack{Name: d.StackName, Status: status, Parameters: d.Parameters, deployed: now}
	if status == created || status == updated {
		stack.Outputs = rendered.Outputs
	}
	for _, id := range slices.Sorted(maps.Keys(now.resources)) {
		stack.Resources = append(stack.Resources, Resource{LogicalID: id, PhysicalID: now.physical[id], Type: now.resources[id].Type})
	}
	_, err := s.Put(stack)
	return err
}

// An operation is a creation, an update or a deletion under way.
type operation struct {
	s         *StandIn
	old, next *deployed
	undo      []func(context.Context) error
	replaced  []condemned
}

// A condemned resource has another one in its place.
type condemned struct {
	resource template.Resource
	physical string
}

// change makes and changes resources, in their order.
func (o *operation) change(ctx context.Context, order []string) error {
	for _, id := range order {
		resource := o.next.resources[id]
		before, exists := o.old.resources[id]
		if !exists {
			if err := o.create(ctx, id, resource); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			continue
		}
		replaced, err := before.ReplacedBy(resource)
		switch {
		case err != nil:
		case replaced:
			o.replaced = append(o.replaced, condemned{before, o.old.physical[id]})
			err = o.create(ctx, id, resource)
		case !reflect.DeepEqual(before.Properties, resource.Properties):
			err = o.update(ctx, id, before, resource)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

func (o *operation) create(ctx context.Context, id string, resource template.Resource) error {
	provider := o.s.provider(resource)
	physical, err := provider.Create(ctx, resource.Properties)
	if err != nil {
		return err
	}
	o.next.physical[id] = physical
	o.undo = append(o.undo, func(ctx context.Context) error {
		if resource.DeletionPolicy == "Retain" { // RetainExceptOnCreate does not keep it
			return nil
		}
		return provider.Delete(ctx, physical)
	})
	return nil
}

func (o *operation) update(ctx context.Context, id string, before, after template.Resource) error {
	provider, physical := o.s.provider(after), o.old.physical[id]
	if err := provider.Update(ctx, physical, before.Properties, after.Properties); err != nil {
		return err
	}
	o.undo = append(o.undo, func(ctx context.Context) error {
		return provider.Update(ctx, physical, after.Properties, before.Properties)
	})
	return nil
}

// takeBack undoes what was done, the last first.
func (o *operation) takeBack(ctx context.Context) (err error) {
	for _, undo := range slices.Backward(o.undo) {
		err = errors.Join(err, undo(ctx))
	}
	return err
}

// cleanUp deletes what is not of the stack any more: what has been replaced, and what the
// template does not have now, each as its policy says.
func (o *operation) cleanUp(ctx context.Context) (err error) {
	for _, one := range o.replaced {
		if one.resource.UpdateReplacePolicy != "Retain" {
			err = errors.Join(err, o.s.provider(one.resource).Delete(ctx, one.physical))
		}
	}
	if o.old.template == nil {
		return err
	}
	order, orderErr := o.old.template.Order(slices.Collect(maps.Keys(o.old.resources)))
	if orderErr != nil {
		return errors.Join(err, orderErr)
	}
	for _, id := range slices.Backward(order) {
		resource := o.old.resources[id]
		if _, stays := o.next.resources[id]; stays {
			continue
		}
		if policy := resource.DeletionPolicy; policy != "Retain" && policy != "RetainExceptOnCreate" {
			err = errors.Join(err, o.s.provider(resource).Delete(ctx, o.old.physical[id]))
		}
		delete(o.next.physical, id)
	}
	return err
}

// provider is what makes a resource.
func (s *StandIn) provider(r template.Resource) Provider {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.providers[r.Type]; p != nil {
		return p
	}
	name, err := r.FixedName()
	return named{s, r.Type, name, err}
}

// named makes resources that are names alone.
type named struct {
	s          *StandIn
	kind, name string // "": CloudFormation makes one up
	err        error
}

func (n named) Create(context.Context, map[string]any) (string, error) {
	if n.err != nil {
		return "", n.err
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if n.name == "" {
		return n.s.env.Random.UUID(), nil
	}
	if n.s.names[n.kind+" "+n.name] {
		return "", fmt.Errorf("%s already exists", n.name)
	}
	n.s.names[n.kind+" "+n.name] = true
	return n.name, nil
}

func (n named) Update(context.Context, string, map[string]any, map[string]any) error { return nil }

func (n named) Delete(_ context.Context, physicalID string) error {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	delete(n.s.names, n.kind+" "+physicalID)
	return nil
}
