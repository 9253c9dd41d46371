package mautic

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
)

func TestTheTablePrefixIsFoundOrSetAndNeverGuessed(t *testing.T) {
	mautic := []string{"m_users", "m_roles", "m_oauth2_clients", "m_webhooks"}
	for _, tc := range []struct {
		name    string
		visible []string
		needed  []string
		set     string
		want    string
		fault   string
	}{
		{"one prefix", mautic, adminTables, "", "m_", ""},
		{"none", []string{"users", "roles"}, adminTables, "", "", ""},
		{"another application's users", append([]string{"wp_users"}, mautic...), adminTables, "", "m_", ""},
		{"another application's webhooks", append([]string{"webhooks"}, mautic...), webhookTables, "", "m_", ""},
		{"two Mautics", append([]string{"users", "roles", "oauth2_clients"}, mautic...), adminTables, "", "", `["" "m_"]`},
		{"two that look the same", []string{"a_webhooks", "b_webhooks"}, webhookTables, "", "", "set MAUTIC_TABLE_PREFIX"},
		{"nothing", nil, adminTables, "", "", "no table users, roles"},
		{"half of it", []string{"m_users"}, adminTables, "", "", "no table users, roles"},
		{"set", append([]string{"users", "roles", "oauth2_clients"}, mautic...), adminTables, "m_", "m_", ""},
		{"set to none", append([]string{"users", "roles", "oauth2_clients"}, mautic...), adminTables, NoTablePrefix, "", ""},
		{"set wrong", mautic, adminTables, "x_", "", "no table x_users, x_roles"},
		{"set to what is none", mautic, adminTables, "m`; DROP", "", "not a table prefix"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := choosePrefix(tc.visible, tc.needed, tc.set)
			if got != tc.want || (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tc.want, tc.fault)
			}
		})
	}
}

func TestTheServersOwnTextIsNeverPassedOn(t *testing.T) {
	s := &store{account: "mautic@%", database: "app"}
	for _, tc := range []struct {
		number  uint16
		message string
		want    string
	}{
		{1064, "You have an error in your SQL syntax near 'hunter2'", "1064"},
		{1062, "Duplicate entry 'hunter2' for key 'x'", "try again"},
		{1142, "UPDATE command denied to user 'mautic'@'10.0.0.1' for table 'm_users'", "GRANT UPDATE ON `app`.`m_users`"},
		{1142, "INSERT, UPDATE command denied to user 'mautic'@'10.0.0.1' for table `app`.`m_users`", "GRANT INSERT, UPDATE ON `app`.`m_users`"},
		{1143, "SELECT command denied to user 'mautic'@'%' for column 'password' in table 'm_users'", "GRANT SELECT ON `app`.`m_users`"},
		{1142, "hunter2", "GRANT SELECT, INSERT"},
		{1044, "Access denied hunter2", "mautic@% has no access"},
		{1290, "hunter2", "writer's endpoint"},
		{1205, "hunter2", "nothing was changed"},
	} {
		err := s.explain(fmt.Errorf("wrapped: %w", &driver.MySQLError{Number: tc.number, Message: tc.message}))
		if got := err.Error(); !strings.Contains(got, tc.want) || strings.Contains(got, "hunter2") {
			t.Errorf("%d: got %s", tc.number, got)
		}
		var inServer *driver.MySQLError
		if errors.As(err, &inServer) {
			t.Error("the server's error is still inside")
		}
		if !mysql.Is(err, tc.number) || credential.OutcomeOf(err) != credential.Unknown {
			t.Errorf("%d: not told by its number, or it says something of a value", tc.number)
		}
	}
	for _, err := range []error{driver.ErrInvalidConn, context.DeadlineExceeded} {
		if got := s.explain(err); credential.OutcomeOf(got) != credential.Unreachable {
			t.Errorf("%v: got %s", err, credential.OutcomeOf(got))
		}
	}
}

func TestAStatementGivesUpALockAfterSomeSeconds(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		k := f.admin(f.access())
		tx, err := f.server.Admin().BeginTx(context.Background(), nil)
		if err != nil {
			f.t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.Exec(f.named("SELECT 1 FROM {users} FOR UPDATE")); err != nil {
			f.t.Fatal(err)
		}
		f.needs(k.Set(f.t.Context(), f.adminChange()), "1205", "try again")
	})
}

// nowhere is a database without a default one.
type nowhere struct{ *fixture }

func (n nowhere) Open(context.Context, document.Document) (*sql.DB, error) {
	config := n.config(n.user, n.password)
	config.DBName = ""
	return open(config)
}

func TestADatabaseOfNoNameAndOneThatIsNoMauticsAreRefused(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		_, err := f.admin(Access{Database: nowhere{f}}).Generate(f.t.Context(), credential.Generation{Current: f.adminDoc("x")})
		f.needs(err, "DATABASE_NAME")
		f.sql("DROP TABLE {oauth2_refreshtokens}, {webhook_queue}, {webhook_events}, {webhooks}")
		_, err = NewWebhook(WebhookConfig{Access: f.access()}).Generate(f.t.Context(), credential.Generation{Current: hooksDoc(f, "x")})
		f.needs(err, "no table webhooks", "MAUTIC_TABLE_PREFIX")
		_, err = NewAPI(APIConfig{Access: f.access()}).Generate(f.t.Context(), credential.Generation{Current: f.firstClient()})
		f.needs(err, "no table oauth2_clients, oauth2_accesstokens, oauth2_refreshtokens")
	})
}

func TestADocumentWithoutTheDatabasesCredentialsTakesThoseOfTheNamedSecret(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		own := f.adminDoc(f.seed.AdminPassword)
		alone := f.parse(fmt.Sprintf(`{"admin_credentials": {"admin_username": "admin", "admin_password": %q}}`, f.seed.AdminPassword))
		wrong := f.parse(fmt.Sprintf(`{"database_user": %q, "database_password": "wrong"}`, f.user))
		named := func(documents []document.Document, err error) Access {
			access := f.access()
			access.DatabaseDocuments = func(context.Context) ([]document.Document, error) { return documents, err }
			return access
		}
		for name, tc := range map[string]struct {
			access   Access
			document document.Document
			want     string // "": it is accepted
		}{
			"its own":                      {f.access(), own, ""},
			"its own, and one is named":    {named([]document.Document{wrong}, nil), own, ""},
			"the named one's":              {named([]document.Document{own}, nil), alone, ""},
			"the named one's pending":      {named([]document.Document{wrong, own}, nil), alone, ""},
			"neither is right":             {named([]document.Document{wrong, wrong}, nil), alone, "the database's password is wrong"},
			"none is named":                {f.access(), alone, "set DATABASE_SECRET_ARN"},
			"the named one cannot be read": {named(nil, errors.New("not authorized")), alone, "in another secret: not authorized"},
			"the named one has none":       {named([]document.Document{alone}, nil), alone, "DATABASE_SECRET_ARN names has no database credentials"},
		} {
			outcome, err := f.admin(tc.access).Probe(f.t.Context(), tc.document)
			switch {
			case tc.want == "" && outcome != credential.Accepted:
				f.t.Errorf("%s: %s, %v", name, outcome, err)
			case tc.want != "":
				f.needs(err, tc.want)
			}
		}
	})
}
