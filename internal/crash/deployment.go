package crash

import (
	"context"
	"maps"
	"slices"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// A deployment is what a scenario rotates. The zero value is a database account that
// can retain its old password itself.
type deployment struct {
	// options changes the rig's options; may be nil.
	options func(*rig.Options)

	// prepare sets up what the rig has no option for; may be nil.
	prepare func(context.Context, *rig.Rig) error

	// targets are checked in addition to the account itself.
	targets []target

	// only is the one kind that is rotated; "": the database and all targets.
	only string

	// single: the account has one password at a time, so logins fail between set and
	// the end of the rollout. It has a target of its own.
	single bool

	// onMySQL: it cannot run on MariaDB, or would be the same there.
	onMySQL bool
}

// The deployments.
var (
	withSMTP = deployment{options: addSMTP, targets: []target{smtpTarget}}

	withMautic = deployment{options: addMautic, prepare: readyMautic, targets: mauticTargets}

	withAll = deployment{
		options: func(o *rig.Options) {
			addSMTP(o)
			addMautic(o)
		},
		prepare: readyMautic,
		targets: append([]target{smtpTarget}, mauticTargets...),
	}

	byAdministrator = deployment{options: func(o *rig.Options) { o.AdminSecret = true }, onMySQL: true}

	singly = deployment{
		options: func(o *rig.Options) {
			o.Privileges = []string{}
			set(o, map[string]string{"DATABASE_WAY": "single"})
		},
		targets: []target{onePassword}, single: true, onMySQL: true,
	}

	byRDS = deployment{
		options: func(o *rig.Options) {
			o.Privileges = []string{}
			set(o, map[string]string{"DATABASE_RDS": "true"})
		},
		prepare: addInstance, targets: []target{onePassword}, single: true, onMySQL: true,
	}
)

// alone is a deployment in which only one kind is rotated.
func alone(kind string, d deployment) deployment {
	options := d.options
	d.only, d.options = kind, func(o *rig.Options) {
		options(o)
		set(o, map[string]string{"ROTATE_KINDS": kind})
	}
	d.targets = slices.DeleteFunc(slices.Clone(d.targets), func(t target) bool { return t.kind != kind })
	return d
}

// onePassword is the target for an account with one password at a time.
var onePassword = target{
	kind:   "database",
	places: []document.Pointer{rig.PasswordPointer},
	accepts: func(ctx context.Context, r *rig.Rig, d document.Document) (bool, error) {
		password, err := d.Text(rig.PasswordPointer)
		if err != nil {
			return false, err
		}
		return r.Login(ctx, password) == nil, nil // checkClosed distinguishes refusals from other errors
	},
	single: true,
}

func set(o *rig.Options, env map[string]string) {
	if o.Env == nil {
		o.Env = map[string]string{}
	}
	maps.Copy(o.Env, env)
}

func addSMTP(o *rig.Options) {
	o.SES = &rig.SES{Tags: map[string]string{}}
	set(o, map[string]string{"SMTP_TEST_FROM": "mautic@example.com", "SMTP_TEST_TO": "success@simulator.amazonses.com"})
}

func addMautic(o *rig.Options) {
	o.Mautic = true
	set(o, map[string]string{"ADMIN_HASH_COST": "10"}) // the lowest allowed
}

// addInstance makes the account the master user of an RDS instance.
func addInstance(_ context.Context, r *rig.Rig) error {
	host, port := r.Endpoint()
	return r.AWS.RDS.CreateDBInstance(localrds.DBInstance{
		Identifier: "mautic-prod-database", Engine: "mysql", Endpoint: host, Port: port,
		Master: localrds.MasterUser{
			Name: r.User, LingerTime: 100 * time.Millisecond, ResettingTime: 100 * time.Millisecond,
			SetPassword: func(ctx context.Context, user, password string) error {
				_, err := r.MySQL.Admin().ExecContext(ctx, "ALTER USER ?@'%' IDENTIFIED BY ?", user, password)
				return err
			},
		},
	})
}

// store writes fields to AWSCURRENT, as an operator does by hand.
func store(ctx context.Context, r *rig.Rig, fields map[document.Pointer]string) error {
	value, err := r.ValueLabelled("AWSCURRENT")
	if err != nil {
		return err
	}
	d, err := document.Parse(value)
	for at, text := range fields {
		if err == nil {
			d, err = d.Put(at, text)
		}
	}
	if err != nil {
		return err
	}
	value = d.Raw()
	_, err = r.Secrets.PutSecretValue(ctx, &sm.PutSecretValueInput{SecretId: &r.SecretARN, SecretString: &value})
	return err
}

// makeReady brings a new rig to where the scenario's prepare begins. It records an old
// time of the last rotation for each kind, so that a trial adds no field.
func (d deployment) makeReady(ctx context.Context, r *rig.Rig) error {
	if d.prepare != nil {
		if err := d.prepare(ctx, r); err != nil {
			return err
		}
	}
	noted := map[document.Pointer]string{}
	for _, at := range d.rotatedAt() {
		noted[at] = "2020-01-01T00:00:00Z"
	}
	return store(ctx, r, noted)
}

// restarts tells whether tasks read a rotated value at start.
func (d deployment) restarts() bool { return d.only == "" || d.only == smtpTarget.kind }

// rotatedAt are the fields with the times of the last rotations.
func (d deployment) rotatedAt() []document.Pointer {
	var places []document.Pointer
	if d.only == "" {
		places = append(places, "/rotated_at/database")
	}
	for _, t := range d.targets {
		places = append(places, document.Pointer("/rotated_at/"+t.kind))
	}
	return places
}

// owned are the fields that a rotation changes.
func (d deployment) owned() []document.Pointer {
	places := d.rotatedAt()
	if d.only == "" {
		places = append(places, rig.PasswordPointer)
	}
	for _, t := range d.targets {
		places = append(places, t.places...)
	}
	return places
}
