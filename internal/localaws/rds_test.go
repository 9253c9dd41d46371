package localaws_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/localaws/wire"
)

const newPassword = "correct-horse"

func (f *fixture) rds() *rds.Client { return rds.NewFromConfig(localtest.ClientConfig(f.Server)) }

func (f *fixture) instance(o localrds.DBInstance) {
	f.T.Helper()
	if err := f.RDS.CreateDBInstance(o); err != nil {
		f.T.Fatal(err)
	}
}

func (f *fixture) cluster(o localrds.DBCluster) {
	f.T.Helper()
	if err := f.RDS.CreateDBCluster(o); err != nil {
		f.T.Fatal(err)
	}
}

func (f *fixture) describeInstance(id string) types.DBInstance {
	f.T.Helper()
	out, err := f.rds().DescribeDBInstances(f.Ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	if err != nil {
		f.T.Fatal(err)
	}
	return out.DBInstances[0]
}

func (f *fixture) describeCluster(id string) types.DBCluster {
	f.T.Helper()
	out, err := f.rds().DescribeDBClusters(f.Ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &id})
	if err != nil {
		f.T.Fatal(err)
	}
	return out.DBClusters[0]
}

func (f *fixture) modifyInstance(id, password string) (*rds.ModifyDBInstanceOutput, error) {
	return f.rds().ModifyDBInstance(f.Ctx, &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: &id, MasterUserPassword: &password, ApplyImmediately: aws.Bool(true),
	})
}

func (f *fixture) modifyCluster(id string) (*rds.ModifyDBClusterOutput, error) {
	return f.rds().ModifyDBCluster(f.Ctx, &rds.ModifyDBClusterInput{
		DBClusterIdentifier: &id, MasterUserPassword: aws.String(newPassword), ApplyImmediately: aws.Bool(true),
	})
}

// databaseIs is a condition for WaitEvent.
func databaseIs(id, status string, pending bool) func(host.Event) bool {
	return func(e host.Event) bool {
		d, ok := e.(localrds.DBStatusChanged)
		return ok && d.Identifier == id && d.Status == status && d.PasswordPending == pending
	}
}

// settled waits until no change of a database's password is pending.
func (f *fixture) settled(id string) {
	f.T.Helper()
	if _, err := f.WaitEvent(f.Ctx, databaseIs(id, "available", false)); err != nil {
		f.T.Fatal(err)
	}
}

// statuses lists the statuses that a database went through, with a * while a change was pending.
func (f *fixture) statuses(id string) []string {
	var list []string
	for _, e := range f.Events() {
		if d, ok := e.(localrds.DBStatusChanged); ok && d.Identifier == id {
			list = append(list, d.Status+map[bool]string{true: "*"}[d.PasswordPending])
		}
	}
	return list
}

func TestAnInstancesPasswordChangesWhenTheResetEnds(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	set, release := make(chan string), make(chan struct{})
	f.instance(localrds.DBInstance{Identifier: "db", DBName: "mautic", Master: localrds.MasterUser{
		Name: "root", SetPassword: func(_ context.Context, user, password string) error {
			set <- user + " " + password
			<-release
			return nil
		},
	}})
	out, err := f.modifyInstance("DB", newPassword)
	if err != nil {
		t.Fatal(err)
	}
	if i := out.DBInstance; *i.DBInstanceStatus != "available" || aws.ToString(i.PendingModifiedValues.MasterUserPassword) != "****" {
		t.Errorf("at first: %s, %+v", *i.DBInstanceStatus, i.PendingModifiedValues)
	}

	if got := <-set; got != "root "+newPassword {
		t.Errorf("set %q", got)
	}
	i := f.describeInstance("db")
	if *i.DBInstanceStatus != "resetting-master-credentials" || i.PendingModifiedValues.MasterUserPassword == nil {
		t.Errorf("while it is set: %s, %+v", *i.DBInstanceStatus, i.PendingModifiedValues)
	}
	_, err = f.modifyInstance("db", "another-password")
	localtest.WantError(t, err, "InvalidDBInstanceState", "Database instance is not in available state.")
	if _, ok := errors.AsType[*types.InvalidDBInstanceStateFault](err); !ok {
		t.Errorf("it is a %T", err)
	}

	close(release)
	f.settled("db")
	i = f.describeInstance("db")
	if *i.DBInstanceStatus != "available" || i.PendingModifiedValues == nil || i.PendingModifiedValues.MasterUserPassword != nil {
		t.Errorf("at last: %s, %+v", *i.DBInstanceStatus, i.PendingModifiedValues)
	}
	if *i.Endpoint.Address != "db.c0example.us-east-1.rds.amazonaws.com" || *i.Endpoint.Port != 3306 || *i.Engine != "mysql" ||
		*i.MasterUsername != "root" || *i.DBName != "mautic" || *i.DBInstanceArn != "arn:aws:rds:us-east-1:123456789012:db:db" {
		t.Errorf("%+v", i)
	}
	state, err := f.RDS.InstanceState("db")
	if want := (localrds.DBState{Status: "available", PasswordsSet: 1}); err != nil || state != want {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestAClustersPasswordIsChangedThroughTheCluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]localrds.DBCluster{
		"Aurora":   {Identifier: "c", CustomEndpoints: []string{"reports.example.org", "jobs.example.org"}},
		"Multi-AZ": {Identifier: "c", Engine: "mysql", DBName: "mautic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{})
			f.cluster(c)
			f.instance(localrds.DBInstance{Identifier: "c-1", Cluster: "c"})
			f.instance(localrds.DBInstance{Identifier: "c-2", Cluster: "c"})
			if got := f.describeCluster("c").PendingModifiedValues; got != nil {
				t.Errorf("before: %+v", got)
			}
			if member := f.describeInstance("c-2"); *member.DBClusterIdentifier != "c" || *member.MasterUsername != "admin" {
				t.Errorf("%+v", member)
			}
			_, err := f.modifyInstance("c-1", newPassword)
			localtest.WantError(t, err, "InvalidParameterCombination", "is a member of a cluster")

			out, err := f.modifyCluster("c")
			if err != nil {
				t.Fatal(err)
			}
			if got := out.DBCluster.PendingModifiedValues; got == nil || *got.MasterUserPassword != "****" {
				t.Errorf("at first: %+v", got)
			}
			f.settled("c")
			want := []string{"available*", "resetting-master-credentials*", "available"}
			if got := f.statuses("c"); !slices.Equal(got, want) || len(f.statuses("c-1")) != 0 {
				t.Errorf("the statuses were %q", got)
			}
			got := f.describeCluster("c")
			if *got.Endpoint != "c.cluster-c0example.us-east-1.rds.amazonaws.com" || *got.Port != 3306 ||
				*got.ReaderEndpoint != "c.cluster-ro-c0example.us-east-1.rds.amazonaws.com" || !slices.Equal(got.CustomEndpoints, c.CustomEndpoints) ||
				aws.ToString(got.DatabaseName) != c.DBName || got.PendingModifiedValues != nil {
				t.Errorf("%+v", got)
			}
			if m := got.DBClusterMembers; len(m) != 2 || *m[0].DBInstanceIdentifier != "c-1" || !*m[0].IsClusterWriter || *m[1].IsClusterWriter {
				t.Errorf("%+v", m)
			}
			if state, err := f.RDS.ClusterState("c"); err != nil || state.PasswordsSet != 1 {
				t.Errorf("%+v, %v", state, err)
			}
		})
	}
}

func TestAChangeIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	managed := localrds.MasterUser{ManagedSecretARN: "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1"}
	f.instance(localrds.DBInstance{Identifier: "managed", Master: managed})
	f.instance(localrds.DBInstance{Identifier: "backed-up", Status: "backing-up"})
	f.instance(localrds.DBInstance{Identifier: "optimised", Status: "storage-optimization"})
	f.cluster(localrds.DBCluster{Identifier: "managed", Master: managed})
	f.cluster(localrds.DBCluster{Identifier: "backed-up", Status: "backing-up"})
	for _, c := range []struct {
		id                string
		instance, cluster string
	}{
		{"gone", "DBInstanceNotFound", "DBClusterNotFoundFault"},
		{"managed", "InvalidParameterCombination", "InvalidParameterCombination"},
		{"backed-up", "InvalidDBInstanceState", "InvalidDBClusterStateFault"},
		{"optimised", "", "DBClusterNotFoundFault"},
	} {
		_, err := f.modifyInstance(c.id, newPassword)
		localtest.WantError(t, err, c.instance, "")
		_, err = f.modifyCluster(c.id)
		localtest.WantError(t, err, c.cluster, "")
	}

	_, err := f.modifyCluster("backed-up")
	if e, ok := errors.AsType[*types.InvalidDBClusterStateFault](err); !ok || !strings.Contains(e.ErrorMessage(), "with status backing-up") {
		t.Errorf("got %v", err)
	}
	if got := f.describeInstance("managed").MasterUserSecret; *got.SecretArn != managed.ManagedSecretARN {
		t.Errorf("%+v", got)
	}
	if got := f.describeCluster("managed").MasterUserSecret; *got.SecretArn != managed.ManagedSecretARN {
		t.Errorf("%+v", got)
	}
	if _, err := f.WaitEvent(f.Ctx, databaseIs("optimised", "storage-optimization", false)); err != nil {
		t.Error(err)
	}
}

func TestThePasswordsRule(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.instance(localrds.DBInstance{Identifier: "db", Master: localrds.MasterUser{LingerTime: time.Hour}})
	for password, message := range map[string]string{
		"1234567":               "shorter than 8 characters",
		"12345678":              "",
		strings.Repeat("x", 41): "",
		strings.Repeat("x", 42): "longer than 41 characters",
		"!#$%&'()*+,-.:;<=>?":   "",
		"[\\]^_`{|}~0":          "",
		"slash/here":            "Only printable ASCII",
		`quote"here`:            "Only printable ASCII",
		"at@here99":             "Only printable ASCII",
		"space here":            "Only printable ASCII",
		"tab\there":             "Only printable ASCII",
		"umlaut-ü":              "Only printable ASCII",
		"delete-\x7f":           "Only printable ASCII",
	} {
		_, err := f.modifyInstance("db", password)
		if message == "" {
			localtest.WantError(t, err, "", "")
			continue
		}
		localtest.WantError(t, err, "InvalidParameterValue", message)
		if strings.Contains(fmt.Sprint(err), password) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestDatabasesAreListedInPages(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{RDSPageSize: 2})
	var ids []string
	for n := range 5 {
		id := fmt.Sprint("db-", n)
		ids = append(ids, id)
		f.instance(localrds.DBInstance{Identifier: id})
		f.cluster(localrds.DBCluster{Identifier: id})
	}
	var instances, clusters []string
	for pages := rds.NewDescribeDBInstancesPaginator(f.rds(), &rds.DescribeDBInstancesInput{}); pages.HasMorePages(); {
		out, err := pages.NextPage(f.Ctx)
		if err != nil || len(out.DBInstances) > 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, i := range out.DBInstances {
			instances = append(instances, *i.DBInstanceIdentifier)
		}
	}
	for pages := rds.NewDescribeDBClustersPaginator(f.rds(), &rds.DescribeDBClustersInput{}); pages.HasMorePages(); {
		out, err := pages.NextPage(f.Ctx)
		if err != nil || len(out.DBClusters) > 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, c := range out.DBClusters {
			clusters = append(clusters, *c.DBClusterIdentifier)
		}
	}
	if !slices.Equal(instances, ids) || !slices.Equal(clusters, ids) {
		t.Errorf("listed the instances %q and the clusters %q", instances, clusters)
	}
	for _, n := range []int32{19, 101} {
		_, err := f.rds().DescribeDBInstances(f.Ctx, &rds.DescribeDBInstancesInput{MaxRecords: &n})
		localtest.WantError(t, err, "InvalidParameterValue", "MaxRecords")
	}
	_, err := f.rds().DescribeDBClusters(f.Ctx, &rds.DescribeDBClustersInput{Marker: aws.String("?")})
	localtest.WantError(t, err, "InvalidParameterValue", "Marker")
}

func TestTheLastOrderBeforeTheResetWins(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	set := make(chan string, 2)
	f.instance(localrds.DBInstance{Identifier: "db", Master: localrds.MasterUser{
		LingerTime: time.Second, ResettingTime: -1,
		SetPassword: func(_ context.Context, _, password string) error { set <- password; return nil },
	}})
	for _, password := range []string{"the-first-one", newPassword} {
		if _, err := f.modifyInstance("db", password); err != nil {
			t.Fatal(err)
		}
	}
	f.settled("db")
	if got := <-set; got != newPassword || len(set) != 0 {
		t.Errorf("set %q, and %d more", got, len(set))
	}
}

func TestAServerThatDoesNotTakeThePasswordLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.cluster(localrds.DBCluster{Identifier: "c", Master: localrds.MasterUser{
		SetPassword: func(_ context.Context, _, password string) error { return errors.New("error near '" + password + "'") },
	}})
	if _, err := f.modifyCluster("c"); err != nil {
		t.Fatal(err)
	}
	f.settled("c")
	state, err := f.RDS.ClusterState("c")
	if err != nil || state.PasswordsSet != 0 || state.PasswordPending || fmt.Sprint(state.Failure) != "error near '****'" {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestCallsOfRDSAreRecordedAndFailAsOthersDo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.instance(localrds.DBInstance{Identifier: "db", Master: localrds.MasterUser{LingerTime: time.Hour}})
	f.FaultOnce("ModifyDBInstance", wire.Fault{Error: &wire.Error{Code: "AccessDenied", Message: "not authorized to perform: rds:ModifyDBInstance <&>", Status: 403}})
	_, err := f.modifyInstance("db", newPassword)
	localtest.WantError(t, err, "AccessDenied", "rds:ModifyDBInstance <&>")
	f.FaultOnce("ModifyDBInstance", wire.Fault{LoseReply: true})
	if _, err := f.modifyInstance("db", newPassword); err != nil {
		t.Error(err)
	}
	if got := f.Outcomes("ModifyDBInstance"); !slices.Equal(got, []string{"AccessDenied", wire.NoReplyLost, ""}) {
		t.Errorf("the calls ended with %q", got)
	}
	for _, c := range f.Calls() {
		if c.Service != "rds" || c.Detail != "DBInstanceIdentifier=db ApplyImmediately=true" || strings.Contains(fmt.Sprintf("%+v", c), newPassword) {
			t.Errorf("%+v", c)
		}
	}
	_, err = f.rds().ModifyDBInstance(f.Ctx, &rds.ModifyDBInstanceInput{DBInstanceIdentifier: aws.String("db"), RotateMasterUserPassword: aws.Bool(true)})
	localtest.WantError(t, err, "InvalidParameterValue", "localaws does not have the parameter RotateMasterUserPassword")
	_, err = f.rds().DescribeDBSnapshots(f.Ctx, &rds.DescribeDBSnapshotsInput{})
	localtest.WantError(t, err, "InvalidAction", "")
}

func TestAFunctionReachesRDS(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.instance(localrds.DBInstance{Identifier: "db"})
	f.Function(locallambda.Function{Name: "fn", Timeout: 20 * time.Second})
	if _, _, body := f.InvokeHTTP("fn", "RequestResponse", `{"Do":"database","Text":"db"}`); body != `"available"` {
		t.Error(body)
	}
	if c := f.Calls()[1]; c.Operation != "DescribeDBInstances" || c.Caller.Function != "fn" {
		t.Errorf("%+v", c)
	}
}
