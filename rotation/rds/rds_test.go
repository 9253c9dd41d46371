package rds_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"mautic-rotation/internal/localaws"
	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/rds"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// fixture is an account of its own, with databases that are looked at often.
type fixture struct {
	*localaws.Server
	*rds.Databases
	t   *testing.T
	log bytes.Buffer
}

func start(t *testing.T, databases ...any) *fixture {
	t.Helper()
	t.Parallel()
	srv, err := localaws.Start(localaws.Options{RDSPageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{Server: srv, Databases: rds.New(awsrds.NewFromConfig(srv.Config())), t: t}
	if f.Interval != 5*time.Second {
		t.Errorf("the interval is %s", f.Interval)
	}
	f.Interval = time.Millisecond
	for _, d := range databases {
		f.create(d)
	}
	return f
}

func (f *fixture) create(database any) {
	f.t.Helper()
	var err error
	switch d := database.(type) {
	case localrds.DBInstance:
		err = f.RDS.CreateDBInstance(d)
	case localrds.DBCluster:
		err = f.RDS.CreateDBCluster(d)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&f.log, nil)) }

func (f *fixture) named(identifier string) rds.Database {
	f.t.Helper()
	db, err := f.Named(f.t.Context(), identifier)
	if err != nil {
		f.t.Fatal(err)
	}
	return db
}

// called counts the calls of an operation.
func (f *fixture) called(operation string) int {
	n := 0
	for _, c := range f.Calls() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

// wantError checks that an error says all of the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v\nwant … %s …", err, text)
		}
	}
}

// estate is an instance, an Aurora cluster and a Multi-AZ cluster, each on more
// pages than one.
func estate() []any {
	return []any{
		localrds.DBInstance{Identifier: "other"},
		localrds.DBCluster{Identifier: "other"},
		localrds.DBCluster{Identifier: "aurora", DBName: "mautic", CustomEndpoints: []string{"a.example.org", "jobs.example.org"}},
		localrds.DBCluster{Identifier: "multi-az", Engine: "mysql", Master: localrds.MasterUser{Name: "root"}},
		localrds.DBInstance{Identifier: "aurora-1", Cluster: "aurora"},
		localrds.DBInstance{Identifier: "multi-az-1", Cluster: "multi-az"},
		localrds.DBInstance{Identifier: "plain", Engine: "mariadb", Endpoint: "127.0.0.1", Port: 3307, DBName: "mautic"},
	}
}

var (
	plain = rds.Database{
		Identifier: "plain", Host: "127.0.0.1", Port: 3307, Name: "mautic", MasterUser: "admin", Engine: "mariadb",
		Status: "available", Available: true,
	}
	aurora = rds.Database{
		Identifier: "aurora", Cluster: true, Host: "aurora.cluster-c0example.us-east-1.rds.amazonaws.com", Port: 3306, Name: "mautic",
		MasterUser: "admin", Engine: "aurora-mysql", Status: "available", Available: true,
	}
	multiAZ = rds.Database{
		Identifier: "multi-az", Cluster: true, Host: "multi-az.cluster-c0example.us-east-1.rds.amazonaws.com", Port: 3306,
		MasterUser: "root", Engine: "mysql", Status: "available", Available: true,
	}
)

func TestADatabaseIsFoundByItsName(t *testing.T) {
	f := start(t, estate()...)
	for identifier, want := range map[string]rds.Database{
		"plain": plain, "aurora": aurora, "aurora-1": aurora, "multi-az": multiAZ, "multi-az-1": multiAZ,
	} {
		if got := f.named(identifier); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", identifier, got, want)
		}
	}
	if got := f.named("other"); got.Cluster {
		t.Errorf("an instance and a cluster are both called other: got %+v", got)
	}
	_, err := f.Named(t.Context(), "gone")
	wantError(t, err, `no instance and no cluster "gone"`)
	_, err = f.Named(t.Context(), "")
	wantError(t, err, "no identifier")
}

func TestADatabaseIsFoundByItsHost(t *testing.T) {
	f := start(t, estate()...)
	for host, want := range map[string]rds.Database{
		"127.0.0.1": plain,
		"Aurora.Cluster-C0example.us-east-1.rds.amazonaws.com":    aurora,
		"aurora.cluster-ro-c0example.us-east-1.rds.amazonaws.com": aurora,
		"jobs.example.org": aurora,
		"AURORA-1.c0example.us-east-1.rds.amazonaws.com":            aurora,
		"multi-az.cluster-c0example.us-east-1.rds.amazonaws.com":    multiAZ,
		"multi-az.cluster-ro-c0example.us-east-1.rds.amazonaws.com": multiAZ,
		"multi-az-1.c0example.us-east-1.rds.amazonaws.com":          multiAZ,
	} {
		got, found, err := f.AtHost(t.Context(), host)
		if err != nil || !found || got != want {
			t.Errorf("%s: found: %t, %v\n got %+v\nwant %+v", host, found, err, got, want)
		}
	}
	for _, host := range []string{"", "db.example.org", "plain"} {
		if got, found, err := f.AtHost(t.Context(), host); found || err != nil {
			t.Errorf("%q: got %+v, %v", host, got, err)
		}
	}
}

func TestADatabaseIsReadAgainWithOneCall(t *testing.T) {
	f := start(t, estate()...)
	for _, want := range []rds.Database{plain, aurora} {
		before := len(f.Calls())
		got, err := f.Get(t.Context(), rds.Database{Identifier: want.Identifier, Cluster: want.Cluster})
		if err != nil || got != want || len(f.Calls()) != before+1 {
			t.Errorf("got %+v, %v, with %d calls", got, err, len(f.Calls())-before)
		}
	}
	_, err := f.Get(t.Context(), rds.Database{Identifier: "gone"})
	wantError(t, err, "describe the RDS instance gone", "not found")
}

// sparse is an API that tells of its databases as little as RDS may.
type sparse struct{ rds.API }

func (sparse) DescribeDBInstances(context.Context, *awsrds.DescribeDBInstancesInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBInstancesOutput, error) {
	return &awsrds.DescribeDBInstancesOutput{DBInstances: []types.DBInstance{{DBInstanceStatus: aws.String("creating")}}}, nil
}

func (sparse) DescribeDBClusters(context.Context, *awsrds.DescribeDBClustersInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBClustersOutput, error) {
	return &awsrds.DescribeDBClustersOutput{}, nil
}

func TestADatabaseThatIsBeingMadeHasNoHostYet(t *testing.T) {
	t.Parallel()
	databases := rds.New(sparse{})
	if got, err := databases.Named(t.Context(), "new"); err != nil || got != (rds.Database{Status: "creating"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, found, err := databases.AtHost(t.Context(), "h"); found || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err := databases.Get(t.Context(), rds.Database{Identifier: "c", Cluster: true})
	wantError(t, err, "RDS answered with 0 clusters")
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	f := start(t, estate()...)
	set := func(db rds.Database) error {
		return f.SetMasterPassword(t.Context(), db, newPassword, f.logger())
	}
	for _, c := range []struct {
		operation string
		call      func() error
	}{
		{"DescribeDBInstances", func() error { _, err := f.Named(t.Context(), "plain"); return err }},
		{"DescribeDBInstances", func() error { _, _, err := f.AtHost(t.Context(), "h"); return err }},
		{"DescribeDBClusters", func() error { _, err := f.Named(t.Context(), "aurora"); return err }},
		{"DescribeDBClusters", func() error { _, _, err := f.AtHost(t.Context(), "h"); return err }},
		{"DescribeDBInstances", func() error { return f.Await(t.Context(), plain, f.logger()) }},
		{"ModifyDBInstance", func() error { return set(plain) }},
		{"ModifyDBCluster", func() error { return set(aurora) }},
	} {
		f.Intercept(func(call wire.Call) wire.Fault {
			if call.Operation != c.operation {
				return wire.Fault{}
			}
			return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: "User is not authorized", Status: 403}}
		})
		wantError(t, c.call(), "grant rds:"+c.operation+" to the function's role", "User is not authorized")
	}
}

// By AWS's service authorization reference ModifyDBCluster is authorized as rds:ModifyDBInstance, too.
func TestAPermissionThatAWSNamesIsTheOneToGrant(t *testing.T) {
	f := start(t, estate()...)
	const member = "arn:aws:rds:us-east-1:123456789012:db:aurora-instance-1"
	for _, c := range []struct{ says, grant string }{
		{"User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: rds:ModifyDBInstance on resource: " + member + " because no identity-based policy allows it", "grant rds:ModifyDBInstance on " + member + " to the function's role"},
		{"User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: rds:ModifyDBInstance", "grant rds:ModifyDBInstance to the function's role"},
	} {
		f.Intercept(func(call wire.Call) wire.Fault {
			if call.Operation != "ModifyDBCluster" {
				return wire.Fault{}
			}
			return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: c.says, Status: 403}}
		})
		wantError(t, f.SetMasterPassword(t.Context(), aurora, newPassword, f.logger()), c.grant)
	}
}
