package database

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

// The matrix of password policies, ways and ends. Each cell is one rotation on a
// real server. It either works, or is refused by createSecret and the preflight with
// the statement to run; then the statement is run, and it works. make test tries
// some of the cells, make policies all of them, and puts the table into the
// documentation.
var policiesInto = flag.String("policies", "", "try every cell of the matrix of policies, and write the table into this `file`")

// A rule is something that a server or an account asks of passwords or logins.
type rule struct {
	name   string
	on     []string // as root; USER is the account
	off    []string
	first  string // the password in use; USER: the user's name. "": strongPassword
	sample bool   // tried by make test
	tls    bool   // no login by the server's socket
	few    bool   // connections are few, so that the test makes none beside
}

const (
	strongPassword = "Zulu-quebec_51.tango~XRAY-48"
	weakPassword   = "mautic-7"
	byHandPassword = "By-hand_2026.Xylo~Quartz-0123456789"
)

func validate(settings string) []string {
	return []string{"INSTALL COMPONENT 'file://component_validate_password'", "SET GLOBAL " + settings}
}

var (
	novalidate = []string{
		"SET GLOBAL validate_password.policy = DEFAULT, validate_password.length = DEFAULT, validate_password.check_user_name = DEFAULT",
		"UNINSTALL COMPONENT 'file://component_validate_password'",
	}
	nosimple = []string{"SET GLOBAL strict_password_validation = ON, simple_password_check_minimal_length = 8", "UNINSTALL SONAME 'simple_password_check'"}
	noreuse  = []string{"SET GLOBAL strict_password_validation = ON", "UNINSTALL SONAME IF EXISTS 'password_reuse_check'"}
)

// both are the rules that MySQL and MariaDB have in common.
var bothRules = []rule{
	{name: "none, as in RDS's default parameter groups"},
	{name: "`require_secure_transport`", on: []string{"SET GLOBAL require_secure_transport = ON"}, off: []string{"SET GLOBAL require_secure_transport = OFF"}},
	{name: "a password that has expired", on: []string{"ALTER USER USER PASSWORD EXPIRE"}},
	{name: "passwords expire after 90 days", on: []string{"ALTER USER USER PASSWORD EXPIRE INTERVAL 90 DAY"}},
	{name: "`REQUIRE X509`", on: []string{"ALTER USER USER REQUIRE X509"}, tls: true, sample: true},
	{name: "`REQUIRE SSL`", on: []string{"ALTER USER USER REQUIRE SSL"}, tls: true},
	{name: "`MAX_USER_CONNECTIONS` 2", on: []string{"ALTER USER USER WITH MAX_USER_CONNECTIONS 2"}, few: true, sample: true},
	{name: "`MAX_USER_CONNECTIONS` 8", on: []string{"ALTER USER USER WITH MAX_USER_CONNECTIONS 8"}, few: true},
	{name: "`read_only`", on: []string{"SET GLOBAL read_only = ON"}, off: []string{"SET GLOBAL read_only = OFF"}},
}

var mysqlRules = append(slices.Clone(bothRules), []rule{
	{name: "`super_read_only`", on: []string{"SET GLOBAL super_read_only = ON"}, off: []string{"SET GLOBAL super_read_only = OFF, read_only = OFF"}},
	{name: "a plugin that is not the default one (as on RDS for MySQL 8.0)", on: []string{"ALTER USER USER IDENTIFIED WITH sha256_password BY 'FIRST'"}},
	{name: "`password_history` 5", on: []string{"SET GLOBAL password_history = 5"}, off: []string{"SET GLOBAL password_history = 0"}, sample: true},
	{name: "`password_reuse_interval` 7", on: []string{"ALTER USER USER PASSWORD REUSE INTERVAL 7 DAY"}},
	{name: "`password_require_current`", on: []string{"SET GLOBAL password_require_current = ON"}, off: []string{"SET GLOBAL password_require_current = OFF"}, sample: true},
	{name: "`validate_password` LOW", on: validate("validate_password.policy = LOW"), off: novalidate},
	{name: "`validate_password` LOW, a short password in use", on: validate("validate_password.policy = LOW"), off: novalidate, first: "mautic"},
	{name: "`validate_password` MEDIUM", on: validate("validate_password.policy = MEDIUM"), off: novalidate},
	{name: "`validate_password` MEDIUM, a password in use that does not meet it", on: validate("validate_password.policy = MEDIUM"), off: novalidate, first: weakPassword, sample: true},
	{name: "`validate_password` STRONG", on: validate("validate_password.policy = STRONG"), off: novalidate},
	{name: "`validate_password` STRONG, 3 special characters", on: validate("validate_password.policy = STRONG, validate_password.special_char_count = 3"), off: append([]string{"SET GLOBAL validate_password.special_char_count = 1"}, novalidate...)},
	{name: "the plugin `validate_password`, a password in use that does not meet it", on: []string{"INSTALL PLUGIN validate_password SONAME 'validate_password.so'"}, off: []string{"UNINSTALL PLUGIN validate_password"}, first: weakPassword},
	{name: "`validate_password.length` 64", on: validate("validate_password.policy = LOW, validate_password.length = 64"), off: novalidate},
	{name: "`validate_password.check_user_name`, the user's name in use", on: validate("validate_password.policy = LOW"), off: novalidate, first: "USER"},
	{name: "`changed_characters_percentage` 10", on: validate("validate_password.policy = LOW, validate_password.changed_characters_percentage = 10"), off: append([]string{nochange}, novalidate...)},
	{name: "`changed_characters_percentage` 25", on: validate("validate_password.policy = LOW, validate_password.changed_characters_percentage = 25"), off: append([]string{nochange}, novalidate...), sample: true},
	{name: "`changed_characters_percentage` 25, a short password in use", on: validate("validate_password.policy = LOW, validate_password.changed_characters_percentage = 25"), off: append([]string{nochange}, novalidate...), first: weakPassword},
	{name: "`changed_characters_percentage` 100", on: validate("validate_password.policy = LOW, validate_password.changed_characters_percentage = 100"), off: append([]string{nochange}, novalidate...)},
	{name: "`changed_characters_percentage` 25 and `password_require_current`", on: append(validate("validate_password.policy = LOW, validate_password.changed_characters_percentage = 25"), "SET GLOBAL password_require_current = ON"), off: append([]string{nochange, "SET GLOBAL password_require_current = OFF"}, novalidate...)},
	{name: "both, a short password in use", on: append(validate("validate_password.policy = LOW, validate_password.changed_characters_percentage = 25"), "SET GLOBAL password_require_current = ON"), off: append([]string{nochange, "SET GLOBAL password_require_current = OFF"}, novalidate...), first: weakPassword, sample: true},
	{name: "connection control after 1 refused login", on: []string{delayLogins, "SET GLOBAL component_connection_control.failed_connections_threshold = 1"}, off: []string{"SET GLOBAL component_connection_control.failed_connections_threshold = 0"}},
	{name: "`FAILED_LOGIN_ATTEMPTS` 1", on: []string{"ALTER USER USER FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1"}},
	{name: "`FAILED_LOGIN_ATTEMPTS` 3", on: []string{"ALTER USER USER FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 1"}},
}...)

// delayLogins cannot be undone while a login is delayed.
const delayLogins = "INSTALL COMPONENT 'file://component_connection_control'"

const nochange = "SET GLOBAL validate_password.changed_characters_percentage = 0"

var mariadbRules = append(slices.Clone(bothRules), []rule{
	{name: "`simple_password_check`", on: []string{"INSTALL SONAME 'simple_password_check'"}, off: nosimple, sample: true},
	{name: "`simple_password_check`, a password in use that does not meet it", on: []string{"INSTALL SONAME 'simple_password_check'"}, off: nosimple, first: weakPassword, sample: true},
	{name: "`simple_password_check_minimal_length` 64", on: []string{"INSTALL SONAME 'simple_password_check'", "SET GLOBAL simple_password_check_minimal_length = 64"}, off: nosimple},
	{name: "`simple_password_check` without `strict_password_validation`", on: []string{"INSTALL SONAME 'simple_password_check'", "SET GLOBAL strict_password_validation = OFF"}, off: nosimple, first: weakPassword},
	{name: "`password_reuse_check`", on: []string{"INSTALL SONAME 'password_reuse_check'"}, off: noreuse, sample: true},
	{name: "`password_reuse_check` without `strict_password_validation`", on: []string{"INSTALL SONAME 'password_reuse_check'", "SET GLOBAL strict_password_validation = OFF"}, off: noreuse},
	{name: "`max_password_errors` 1", on: []string{"SET GLOBAL max_password_errors = 1"}, off: []string{"SET GLOBAL max_password_errors = 4294967295"}},
	{name: "`max_password_errors` 3", on: []string{"SET GLOBAL max_password_errors = 3"}, off: []string{"SET GLOBAL max_password_errors = 4294967295"}},
}...)

// matrixWays are the ways, and with the administrator's also a user of several
// hosts.
var matrixWays = []string{"self", "admin", "admin, several hosts", "single"}

// An end is how a rotation ends. What phases share is in the first of them alone.
type end struct {
	name string
	run  func(m *cell) error
}

var ends = []end{
	{"retired", func(m *cell) error {
		if err := m.begin(); err != nil {
			return err
		}
		m.promote()
		return m.endOverlap(m.next, m.first, m.Quarantine, m.Retire)
	}},
	{"abandoned, or rolled back", func(m *cell) error {
		if err := m.begin(); err != nil {
			return err
		}
		if err := m.PutBack(m.t.Context(), m.change(m.first, m.next)); err != nil {
			return err
		}
		return m.endOverlap(m.first, m.next, m.Retire)
	}},
	{"held, and released", func(m *cell) error {
		if err := m.begin(); err != nil {
			return err
		}
		m.promote()
		if err := m.endOverlap(m.next, m.first, m.Quarantine, m.Restore); err != nil {
			return err
		}
		if m.way != "single" {
			m.accepted(true, m.first, m.next)
		}
		return m.endOverlap(m.next, m.first, m.Retire)
	}},
	{"emergency", func(m *cell) error {
		if err := m.begin(); err != nil {
			return err
		}
		m.promote()
		return m.endOverlap(m.next, m.first, m.Retire, func(ctx context.Context, o credential.Overlap) error {
			_, err := m.Revoke(ctx, o)
			return err
		})
	}},
}

// cell is one of the matrix.
type cell struct {
	*fixture
	way, next string

	mu    sync.Mutex
	inUse string // what tasks log in with

	few bool // connections are few
}

// endOverlap does what the engine does under the lock of an overlap.
func (m *cell) endOverlap(current, old string, steps ...func(context.Context, credential.Overlap) error) error {
	o := m.overlap(current, old)
	m.await("SELECT IS_FREE_LOCK(?)", m.endLock()) // the connection that held it before has ended
	release, ok, err := m.Exclusive(m.t.Context(), o)
	if err != nil || !ok {
		return errors.Join(errors.New("the lock was not to be had"), err)
	}
	defer release()
	for _, step := range steps {
		if err := step(m.t.Context(), o); err != nil {
			return err
		}
	}
	return nil
}

func (m *cell) begin() (err error) {
	m.next = m.generate()
	change := m.change(m.first, m.next)
	if err := m.Set(m.t.Context(), change); err != nil {
		return err
	}
	return m.Test(m.t.Context(), change)
}

func (m *cell) promote() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inUse = m.next
}

func (m *cell) accepted(want bool, passwords ...string) {
	m.t.Helper()
	if strings.Contains(m.way, "several") && !m.overTCP {
		m.acceptedEverywhere(want, passwords...)
		return
	}
	m.accepts(want, passwords...)
}

// newCell makes the account, and has the rule apply.
func newCell(t *testing.T, server *mysqlserver.Server, r rule, way string) *cell {
	t.Helper()
	m := &cell{way: way, few: r.few}
	var privileges []string
	if way == "self" {
		privileges = []string{dualPrivilege}
		if server.IsMariaDB() {
			privileges = []string{createUser}
		}
	}
	if strings.Contains(way, "several") {
		m.fixture = newFixtureForSeveralHosts(t, server)
	} else {
		m.fixture = newFixtureOn(t, server, privileges...)
	}
	m.withAdmin(createUser, "SELECT ON mysql.*")
	m.configure(func(c *Config) { c.Way, _, _ = strings.Cut(way, ",") })
	m.first = strongPassword
	if r.first != "" {
		m.first = strings.ReplaceAll(r.first, "USER", m.user)
	}
	m.inUse, m.overTCP = m.first, r.tls
	for _, host := range m.hosts() {
		m.fillFor(host, m.first, "")
	}
	for _, statement := range r.on {
		if statement == delayLogins {
			server.Admin().ExecContext(t.Context(), statement) // fails if it is there
			continue
		}
		m.asRoot(statement)
	}
	t.Cleanup(func() {
		for _, statement := range r.off {
			if _, err := server.Admin().ExecContext(context.Background(), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	return m
}

func (m *cell) hosts() []string {
	if strings.Contains(m.way, "several") {
		return []string{nearHost, "%"}
	}
	return []string{"%"}
}

// asRoot runs a statement for each of the user's accounts, or once if it names
// none.
func (m *cell) asRoot(statement string) {
	m.t.Helper()
	statement = strings.ReplaceAll(statement, "FIRST", m.first)
	for _, host := range m.hosts() {
		m.admin(strings.ReplaceAll(statement, "USER USER", "USER '"+m.user+"'@'"+host+"'"))
		if !strings.Contains(statement, "USER USER") {
			return
		}
	}
}

// watchLogins makes a login with the password in use after each statement that may
// change the account.
func (m *cell) watchLogins() {
	proxy := m.throughProxy()
	proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
		if call.Kind == mysqlproxy.Query && (strings.HasPrefix(call.Text, "ALTER USER") || strings.HasPrefix(call.Text, "SET PASSWORD")) {
			action.After = func(error) {
				m.mu.Lock()
				defer m.mu.Unlock()
				if err := m.logIn(m.inUse); err != nil {
					m.t.Errorf("after %s: %v", call.Text, err)
				}
			}
		}
		return action
	})
}

// problem is the first one of the preflight. createSecret has to find it too, but for
// what keeps it from logging in: that it leaves to setSecret.
func (m *cell) problem() error {
	m.t.Helper()
	problem := credential.FirstProblem(m.Preflight(m.t.Context(), m.doc(m.first)))
	_, err := m.Generate(m.t.Context(), m.generation(m.first))
	if problem != nil && err == nil {
		err = m.Set(m.t.Context(), m.change(m.first, pendingPassword))
	}
	lucky := m.few && problem != nil // with few connections left it may go well
	if (problem == nil) != (err == nil) && !lucky {
		m.t.Errorf("the preflight says %v, and a rotation %v", problem, err)
	}
	return problem
}

// printed finds the statement in a problem that its reader is to run.
var printed = regexp.MustCompile(`SET GLOBAL [a-z_.]+ = [A-Z0-9]+(, [a-z_.]+ = [A-Z0-9]+)*|ALTER USER … [A-Z_]+[A-Z0-9_ ]*('<[^>]*>'[A-Z ]*)?|UNINSTALL SONAME '[a-z_]+'|name the writer's endpoint`)

// remedied applies what problems say until there is none, and returns that.
func (m *cell) remedied(r rule) (remedies []string) {
	m.t.Helper()
	for range 3 {
		problem := m.problem()
		if problem == nil {
			return remedies
		}
		remedy := strings.TrimSpace(printed.FindString(problem.Error()))
		if remedy == "" {
			m.t.Fatalf("no statement in %v", problem)
		}
		remedies = append(remedies, remedy)
		switch {
		case strings.HasPrefix(remedy, "name the writer"):
			m.asRoot(r.off[0]) // as the writer is
		default:
			statement := strings.Replace(remedy, "ALTER USER …", "ALTER USER USER", 1)
			m.asRoot(regexp.MustCompile(`'<[^>]*>'`).ReplaceAllString(statement, "'"+m.first+"'"))
		}
	}
	m.t.Fatalf("after %q: %v", remedies, m.problem())
	return nil
}

// try runs one cell, and returns what has to be done before.
func tryCell(t *testing.T, server *mysqlserver.Server, r rule, way string, e end) (remedies []string) {
	m := newCell(t, server, r, way)
	remedies = m.remedied(r)
	if way != "single" && !r.few {
		m.watchLogins()
	}
	if err := e.run(m); err != nil {
		t.Fatal(err)
	}
	keeps, gone := m.next, m.first
	if strings.HasPrefix(e.name, "abandoned") {
		keeps, gone = gone, keeps
	}
	m.accepted(true, keeps)
	if !strings.Contains(r.name, "1") { // a refused login more would lock the account
		m.accepted(false, gone)
	}
	if way != "single" && !server.IsMariaDB() {
		for _, host := range m.hosts() { // by hand: nothing is left that this would uncover
			m.admin("ALTER USER ?@? IDENTIFIED BY ?", m.user, host, byHandPassword)
		}
		m.accepted(false, keeps)
		m.accepted(true, byHandPassword)
	}
	return remedies
}

func TestPolicyMatrix(t *testing.T) {
	mysqltest.NotInCheck(t)
	t.Parallel()
	full := *policiesInto != ""
	var mu sync.Mutex
	found := map[mysqlserver.Series]map[string][]string{} // by rule and way: the remedies
	t.Run("on", func(t *testing.T) {
		for _, series := range mysqlserver.Pinned() {
			if !full && series == mysqlserver.MariaDB1011 {
				continue // the other one stands for it
			}
			t.Run(string(series), func(t *testing.T) {
				t.Parallel()
				server := mysqltest.Borrow(t, series)
				rules := mysqlRules
				if series.IsMariaDB() {
					rules = mariadbRules
				}
				for i, r := range rules {
					for j, way := range matrixWays {
						for k, e := range ends {
							if !full && (!r.sample || (i+j+k)%4 != 0) || way == "single" && strings.HasPrefix(e.name, "held") {
								continue
							}
							t.Run(strings.Join([]string{r.name, way, e.name}, "/"), func(t *testing.T) {
								remedies := tryCell(t, server, r, way, e)
								mu.Lock()
								defer mu.Unlock()
								if found[series] == nil {
									found[series] = map[string][]string{}
								}
								key := r.name + "\x00" + way
								if before, ok := found[series][key]; ok && !slices.Equal(before, remedies) {
									t.Errorf("the remedies are %q, and by another end %q", remedies, before)
								}
								found[series][key] = remedies
							})
						}
					}
				}
			})
		}
	})
	if full && !t.Failed() {
		writeMatrix(t, found)
	}
}

// The table stands between these in the documentation.
const matrixBegins, matrixEnds = "<!-- by make policies -->\n", "<!-- end -->"

func writeMatrix(t *testing.T, found map[mysqlserver.Series]map[string][]string) {
	t.Helper()
	var table strings.Builder
	for _, make := range []struct {
		name  string
		of    mysqlserver.Series
		rules []rule
	}{{"MySQL", mysqlserver.MySQL, mysqlRules}, {"MariaDB", mysqlserver.MariaDB, mariadbRules}} {
		fmt.Fprintf(&table, "\n| on %s | what to do first |\n| --- | --- |\n", make.name)
		for _, r := range make.rules {
			fmt.Fprintf(&table, "| %s | %s |\n", r.name, remediesFor(t, found[make.of], r))
		}
	}
	text, err := os.ReadFile(*policiesInto)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), matrixBegins)
	_, after, ends := strings.Cut(rest, matrixEnds)
	if !ok || !ends {
		t.Fatalf("%s has no place for the table", *policiesInto)
	}
	if err := os.WriteFile(*policiesInto, []byte(before+matrixBegins+table.String()+"\n"+matrixEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// remediesFor is the cell of the table with what an operator has to do under a rule.
func remediesFor(t *testing.T, found map[string][]string, r rule) string {
	t.Helper()
	var all, ways []string // what is to be done, and by which ways
	for _, way := range matrixWays {
		remedies, ok := found[r.name+"\x00"+way]
		if !ok {
			t.Fatalf("%s, %s: not tried", r.name, way)
		}
		said := "nothing"
		if len(remedies) > 0 {
			said = strings.ReplaceAll("`"+strings.Join(remedies, "`, then `")+"`", "`name the writer's endpoint`", "name the writer's endpoint")
		}
		if at := slices.Index(all, said); at >= 0 {
			ways[at] += ", " + way
			continue
		}
		all, ways = append(all, said), append(ways, way)
	}
	if len(all) == 1 {
		return all[0]
	}
	for i := range all {
		all[i] += " (" + ways[i] + ")"
	}
	return strings.Join(all, "; ")
}
