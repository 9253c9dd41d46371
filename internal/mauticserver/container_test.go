package mauticserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWhichPasswordAProcessTakes(t *testing.T) {
	t.Parallel()
	literal := LocalPHP(map[string]any{"db_password": "in the file"})
	variable := map[string]string{"MAUTIC_DB_PASSWORD": "in the variable"}
	both := map[string]string{"MAUTIC_DB_PASSWORD": "in the variable", configParameters: `{"db_password": "in the JSON"}`}
	json := map[string]string{configParameters: `{"db_password": "in the JSON", "mailer_port": 587}`}
	for _, tc := range []struct {
		name    string
		role    Role
		env     map[string]string
		file    string
		want    string
		version Version // "" is both
		fails   string
	}{
		{name: "the file alone", file: literal, want: "in the file"},
		{name: "the variable before a literal", env: variable, file: literal, want: "in the variable"},
		{name: "a worker likewise", role: Worker, env: variable, file: literal, want: "in the variable"},
		{name: "a cron job has no variable", role: Cron, env: variable, file: literal, want: "in the file"},
		{name: "nor does getenv find one there", role: Cron, env: variable, file: TemplateLocalPHP, want: ""},
		{name: "in a web server getenv does", env: variable, file: TemplateLocalPHP, want: "in the variable"},
		{name: "JSON before a literal", env: json, file: literal, want: "in the JSON", version: Mautic70},
		{name: "the variable before JSON", env: both, file: literal, want: "in the variable", version: Mautic70},
		{name: "a cron job has no JSON", role: Cron, env: json, file: literal, want: "in the file", version: Mautic70},
		{name: "JSON was not tried with 5.1", env: json, file: literal, version: Mautic51, fails: "not tried"},
		{name: "what is no JSON", env: map[string]string{configParameters: "[]"}, version: Mautic70, fails: "no JSON object"},
		{name: "a single %", file: "<?php $parameters = array('db_password' => '50%');", fails: "not doubled"},
		{name: "a doubled one", file: LocalPHP(map[string]any{"db_password": `5%'\`}), want: `5%'\`},
		{name: "a single % in the variable", env: map[string]string{"MAUTIC_DB_PASSWORD": "5%"}, want: "5%"},
	} {
		for _, version := range Versions() {
			if tc.version != "" && tc.version != version {
				continue
			}
			got, err := Container{Version: version, Role: tc.role, Env: tc.env, LocalPHP: tc.file}.DatabasePassword()
			switch {
			case tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)):
				t.Errorf("%s, %s: got %v, want %s", version, tc.name, err, tc.fails)
			case tc.fails == "" && (err != nil || got != tc.want):
				t.Errorf("%s, %s: got %q, %v, want %q", version, tc.name, got, err, tc.want)
			}
		}
	}
}

func TestALocalPHPIsReadAsPHPReadsIt(t *testing.T) {
	t.Parallel()
	p, err := Container{Env: map[string]string{"SET": "there"}, LocalPHP: `<?php
/* written
   by hand, don't edit */
$parameters = [
	'text'  => 'it\'s a \\ // no comment', # one
	'port'  => 3306, // don't
	'minus' => -1,
	'on'    => true, 'off' => false, 'none' => null,
	'set'   => getenv('SET'),
	'unset' => getenv('UNSET'),
	'or'    => getenv('UNSET') ?: getenv('ALSO_UNSET') ?: 'else',
	'not'   => getenv('SET') ?: 'else',
	'list'  => array('127.0.0.1', '::1'), 'empty' => [], 'nested' => ['a' => array()]
];
`}.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"text": `it's a \ // no comment`, "port": int64(3306), "minus": int64(-1), "on": true, "off": false, "none": nil,
		"set": "there", "unset": false, "or": "else", "not": "there",
	} {
		if got := p[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if p.Text("port") != "3306" || p.Text("on") != "1" || p.Text("off") != "" || p.Text("none") != "" || !p.On("port") || p.On("unset") {
		t.Error("not what PHP makes of them")
	}
	if got := strings.Join(p.list("list"), " "); got != "127.0.0.1 ::1" || p.list("empty") != nil || p.list("text") != nil || !p.On("list") || p.On("empty") {
		t.Errorf("the list is %q", got)
	}
	if again, err := readLocalPHP(LocalPHP(map[string]any{"list": p["list"]}), nil); err != nil || strings.Join(Parameters(again).list("list"), " ") != "127.0.0.1 ::1" {
		t.Errorf("written and read again: %v, %v", again, err)
	}
	for _, bad := range []string{
		"", "$parameters = array();", "<?php $parameters = array(", "<?php $parameters = array('a' => 'b)", "<?php $parameters = array('a' => f('b'));",
		"<?php $parameters = array('a', 'b');", "<?php $parameters = array('a' => array('b');", "<?php $parameters = array(1 => 2);", "<?php $parameters = array('a' => 1) 2;", "<?php $parameters = array(); echo 1;",
	} {
		if _, err := readLocalPHP(bad, nil); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestSavingTheConfigurationWritesThePasswordIntoTheFile(t *testing.T) {
	t.Parallel()
	for _, version := range Versions() {
		web := Container{Version: version, Env: map[string]string{"MAUTIC_DB_PASSWORD": "first"}, LocalPHP: TemplateLocalPHP}
		web, err := web.SaveConfiguration()
		if err != nil {
			t.Fatal(err)
		}
		cron := Container{Version: version, Role: Cron, Env: map[string]string{"MAUTIC_DB_PASSWORD": "second"}, LocalPHP: web.LocalPHP}
		if got, err := cron.DatabasePassword(); err != nil || got != "first" {
			t.Errorf("%s: a cron job has %q, %v", version, got, err)
		}
	}
}

func TestAContainerStartsWithMAUTIC_DB_PASSWORDAndCopiesTheTemplateWhereThereIsNoFile(t *testing.T) {
	pings := 0
	down := errors.New("down")
	open := func(_ context.Context, password string) (*sql.DB, error) {
		if pings++; password != "right" {
			t.Errorf("pinged with %q", password)
		}
		return nil, down
	}
	literal := LocalPHP(map[string]any{"db_password": "another"})
	env := map[string]string{"MAUTIC_DB_PASSWORD": "right"}
	if _, err := (Container{Env: env, LocalPHP: literal}).Boot(t.Context(), open, time.Nanosecond); !errors.Is(err, down) || pings != 31 {
		t.Errorf("%d pings, %v", pings, err)
	}
	f := start(t, Options{}, Seed{})
	env["MAUTIC_DB_PASSWORD"] = f.password
	for file, want := range map[string]string{"": TemplateLocalPHP, literal: literal} {
		if c, err := (Container{Env: env, LocalPHP: file}).Boot(t.Context(), f.open, time.Nanosecond); err != nil || c.LocalPHP != want {
			t.Errorf("%v, %s", err, c.LocalPHP)
		}
	}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Container{}).Boot(cut, f.open, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The official image: all three roles have the variable, and the file has a
// literal. Then the password changes, and every container is replaced.
func TestOnceTheOldPasswordIsGoneEveryCronJobFailsWhileEveryPageAnswers200(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, Options{Version: version}, Seed{})
		file := LocalPHP(map[string]any{"db_password": f.password, "db_table_prefix": "p_", "site_url": "https://mautic.example.com"})
		in := func(role Role, password string) Container {
			return Container{Version: version, Role: role, Env: map[string]string{"MAUTIC_DB_PASSWORD": password, "PHP_INI_VALUE_MEMORY_LIMIT": "512M"}, LocalPHP: file}
		}
		consumer, err := in(Worker, f.password).Consume(t.Context(), f.open)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { consumer.Close() })

		f.own.Altered.Store(true)
		const replaced = "Replaced-1-password"
		f.sql("ALTER USER '" + f.account + "'@'%' IDENTIFIED BY '" + replaced + "'")
		f.SetContainer(in(Web, replaced))
		if status, _, _ := f.ask("GET", "/s/login", nil, nil); status != 200 {
			t.Errorf("the login page answers %d", status)
		}
		if err := in(Cron, replaced).RunJob(t.Context(), f.open, nil); err == nil || !strings.Contains(err.Error(), "1045") {
			t.Errorf("a cron job: %v", err)
		}
		ran := false
		if err := in(Worker, replaced).RunJob(t.Context(), f.open, func(context.Context, *sql.DB) error { ran = true; return nil }); err != nil || !ran {
			t.Errorf("with the variables: %v", err)
		}
		// What has been connected all along does not notice.
		if err := consumer.Handle(t.Context()); err != nil {
			t.Error(err)
		}
		if err := f.own.EndConnections(); err != nil {
			t.Fatal(err)
		}
		if err := consumer.Handle(t.Context()); err == nil {
			t.Error("the consumer goes on without its connection")
		}
		if _, err := in(Worker, f.password).Consume(t.Context(), f.open); err == nil {
			t.Error("a consumer starts with the old password")
		}
	})
}

func TestTheInstallerOf7IsOpenToAnybodyWithoutASiteURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		version Version
		file    string // "": that of an installed Mautic
		wrong   bool   // is the database's password
		want    int
	}{
		{version: Mautic70, want: 302},
		{version: Mautic70, file: TemplateLocalPHP, want: 200},
		{version: Mautic70, file: TemplateLocalPHP, wrong: true, want: 500},
		{version: Mautic51, want: 404},
	} {
		t.Run(fmt.Sprint(tc.version, tc.want), func(t *testing.T) {
			f := start(t, Options{Version: tc.version}, Seed{})
			if tc.file != "" {
				f.SetContainer(Container{Env: map[string]string{"MAUTIC_DB_PASSWORD": f.password}, LocalPHP: tc.file})
			}
			if tc.wrong {
				f.SetPassword("wrong")
			}
			if status, _, _ := f.ask("GET", "/installer", nil, nil); status != tc.want {
				t.Errorf("got %d", status)
			}
		})
	}
}

func TestALoadBalancerWithoutTasksAnswers503(t *testing.T) {
	f := start(t, Options{Open: func(context.Context, string) (*sql.DB, error) { return nil, ErrNoTasks }}, Seed{})
	for _, page := range []string{"/s/login", "/api/users/self", "/installer"} {
		if status, _, _ := f.ask("GET", page, nil, nil); status != 503 {
			t.Errorf("%s answers %d", page, status)
		}
	}
}

func TestAVersionThatWasNotTriedIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Start(Options{Version: "6.0"}); err == nil || !strings.Contains(err.Error(), `"7.0"`) {
		t.Errorf("got %v", err)
	}
	if _, err := (Container{Version: "6.0"}).Parameters(); err == nil {
		t.Error("no error")
	}
}
