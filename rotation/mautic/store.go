package mautic

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
)

// store is one connection to Mautic's database.
type store struct {
	session  *mysql.Session
	database string
	account  string // "mautic@%", as CURRENT_USER() says
	prefix   string
}

// open connects to Mautic's database and finds the tables of a kind, with the
// credentials of the first document that they work with.
//
// Of a change or an overlap both documents are given, AWSCURRENT's first: the
// database's password may be rotated together with the kind's own, and then
// there are moments in which one of the two alone is accepted.
func (a Access) open(ctx context.Context, tables []string, documents ...document.Document) (*store, error) {
	documents, err := a.withCredentials(ctx, documents)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, d := range documents {
		s, err := a.connect(ctx, d)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if err := s.prepare(ctx, a.TablePrefix, tables); err != nil {
			s.close()
			return nil, err
		}
		return s, nil
	}
	return nil, credential.Failf(credential.Unreachable, "log in to Mautic's database: %w", errors.Join(faults...))
}

// reach checks whether open would work.
func (a Access) reach(ctx context.Context, tables []string, c credential.Change) error {
	s, err := a.open(ctx, tables, c.Current, c.Pending)
	if err != nil {
		return err
	}
	s.close()
	return nil
}

// withCredentials returns the documents to log in with: those given, or those of
// the secret that is named for documents without the database's credentials.
func (a Access) withCredentials(ctx context.Context, documents []document.Document) ([]document.Document, error) {
	own, err := a.Database.Fields(documents[0])
	switch {
	case err != nil:
		return nil, err
	case len(own) > 0:
		return documents, nil
	case a.DatabaseDocuments == nil:
		return nil, fmt.Errorf("this credential is in Mautic's tables, and the secret has no database credentials: no field %s. Add them to this secret, or set DATABASE_SECRET_ARN to the one that has them", a.Database.Where())
	}
	if documents, err = a.DatabaseDocuments(ctx); err != nil {
		return nil, fmt.Errorf("get the database's credentials, which are in another secret: %w", err)
	}
	named := slices.DeleteFunc(documents, func(d document.Document) bool {
		fields, err := a.Database.Fields(d)
		return err == nil && len(fields) == 0
	})
	if len(named) == 0 {
		return nil, fmt.Errorf("the secret that DATABASE_SECRET_ARN names has no database credentials: no field %s. Set it to the secret that has them", a.Database.Where())
	}
	return named, nil
}

func (a Access) connect(ctx context.Context, d document.Document) (*store, error) {
	db, err := a.Database.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	session, err := mysql.Connect(ctx, db)
	if err != nil {
		return nil, (&store{account: "it"}).explain(err)
	}
	return &store{session: session}, nil
}

func (s *store) close() { s.session.Close() }

// prepare bounds what the session waits for, and finds out where it is.
func (s *store) prepare(ctx context.Context, prefix string, tables []string) error {
	s.account = "the database's user"
	if err := s.explain(s.session.BoundWaits(ctx)); err != nil {
		return err
	}
	var database sql.NullString
	if err := s.row(ctx, "SELECT DATABASE(), CURRENT_USER()", nil, &database, &s.account); err != nil {
		return err
	}
	if s.database = database.String; s.database == "" {
		return errors.New("cannot tell which database has Mautic's tables: add the database's name to the secret (/database_name), or set DATABASE_NAME")
	}
	visible, err := s.tables(ctx)
	if err != nil {
		return err
	}
	s.prefix, err = choosePrefix(visible, tables, prefix)
	if err != nil {
		return fmt.Errorf("in database %s, as %s sees it: %w", s.database, s.account, err)
	}
	return nil
}

// tables lists the tables that the account has any privilege on: the server
// shows no others.
func (s *store) tables(ctx context.Context) ([]string, error) {
	var names []string
	err := s.rows(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()", nil, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}

// marker is a table that other applications are unlikely to have: if several prefixes are
// possible, it shows which is Mautic's.
const marker = "oauth2_clients"

var prefixPattern = regexp.MustCompile(`^[A-Za-z0-9_$]+$`)

// choosePrefix returns the prefix of Mautic's tables: the one that is set or, otherwise, the only
// one with which all the needed tables are visible.
func choosePrefix(visible, needed []string, set string) (string, error) {
	missing := func(prefix string) (names []string) {
		for _, table := range needed {
			if !slices.Contains(visible, prefix+table) {
				names = append(names, prefix+table)
			}
		}
		return names
	}
	const remedy = "check the database's name, GRANT SELECT on Mautic's tables, or set MAUTIC_TABLE_PREFIX to Mautic's db_table_prefix"
	if set != "" {
		if set == NoTablePrefix {
			set = ""
		} else if !prefixPattern.MatchString(set) {
			return "", fmt.Errorf("%q is not a table prefix: use only letters, digits and _", set)
		}
		if names := missing(set); len(names) > 0 {
			return "", fmt.Errorf("no table %s: %s", strings.Join(names, ", "), remedy)
		}
		return set, nil
	}
	var found, marked []string
	for _, table := range visible {
		prefix, ok := strings.CutSuffix(table, needed[0])
		if !ok || len(missing(prefix)) > 0 {
			continue
		}
		found = append(found, prefix)
		if slices.Contains(visible, prefix+marker) {
			marked = append(marked, prefix)
		}
	}
	if len(found) > 1 && len(marked) > 0 {
		found = marked
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no table %s, with any prefix: %s", strings.Join(needed, ", "), remedy)
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", fmt.Errorf("there are tables of several applications, with the prefixes %q: set MAUTIC_TABLE_PREFIX to Mautic's db_table_prefix (%q for none)", found, NoTablePrefix)
}

var tableInQuery = regexp.MustCompile(`\{(\w+)\}`)

// named puts the tables' real names into a query, which has them in braces:
// {users}.
func (s *store) named(query string) string {
	return tableInQuery.ReplaceAllStringFunc(query, func(table string) string {
		return "`" + strings.ReplaceAll(s.prefix+strings.Trim(table, "{}"), "`", "``") + "`"
	})
}

// exec runs a statement, of which it does not tell how many rows it has changed:
// whoever needs to know reads back.
func (s *store) exec(ctx context.Context, query string, args ...any) error {
	return s.explain(s.session.Exec(ctx, s.named(query), args...))
}

// errNoRow is returned by row when there is none.
var errNoRow = sql.ErrNoRows

func (s *store) row(ctx context.Context, query string, args []any, into ...any) error {
	return s.explain(s.session.Row(ctx, s.named(query), args, into...))
}

func (s *store) rows(ctx context.Context, query string, args []any, each func(scan func(...any) error) error) error {
	return s.explain(s.session.Rows(ctx, s.named(query), args, each))
}

// rehearse runs statements that match no row: the server checks the privileges first, and nothing
// changes.
func (s *store) rehearse(ctx context.Context, statements ...string) error {
	var faults []error
	for _, statement := range statements {
		err := s.exec(ctx, statement)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// lock keeps invocations apart, at the server: others that change the same thing in the same
// Mautic wait, for some seconds at most.
func (s *store) lock(ctx context.Context, what string, wait int) (ok bool, err error) {
	ok, err = s.session.TryLock(ctx, mysql.LockName("mautic", strings.Join([]string{s.database, s.prefix, what}, "/")), wait)
	return ok, s.explain(err)
}

// What is locked.
const (
	apiLock     = "api"
	adminLock   = "admin"
	webhookLock = "webhook"
)

// lockToChange keeps all that changes one thing apart, from the question whether the
// rotation is still under way to the write: two rotations at once, a rotation from what
// gives it up, and from what takes an old value away.
func (s *store) lockToChange(ctx context.Context, what string) error {
	got, err := s.lock(ctx, what, mysql.LockWait)
	if err == nil && !got {
		err = &credential.Failure{
			Outcome: credential.Unknown, Temporary: true,
			Problem: fmt.Sprintf("another change of the same credential in Mautic (%s) is in progress and did not end within %d s", what, mysql.LockWait), Remedy: "try again",
		}
	}
	return err
}
