package rig

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

// status asks for one of Mautic's pages.
func status(t *testing.T, r *Rig, page string, header func(*http.Request)) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Mautic.URL()+page, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		header(request)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestAMauticIsOfTheVersionThatWasAskedFor(t *testing.T) {
	t.Parallel()
	for version, want := range map[mauticserver.Version]int{mauticserver.Mautic51: 404, mauticserver.Mautic70: 302, "": 302} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{MySQL: mysqltest.Shared(t), Mautic: true, MauticVersion: version})
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			answer, err := client.Get(r.Mautic.URL() + "/installer")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != want {
				t.Errorf("/installer answers %d, want %d", answer.StatusCode, want)
			}
			var columns int
			row := r.MySQL.Admin().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'roles' AND COLUMN_NAME = 'uuid'", r.Database)
			if err := row.Scan(&columns); err != nil || (columns == 1) != (want == 302) {
				t.Errorf("%d columns that 7.0 adds, %v", columns, err)
			}
		})
	}
}

func TestSecretHoldsWhatMauticAccepts(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		r := newRig(t, Options{MySQL: server, Mautic: true})
		value, err := r.ValueLabelled("AWSCURRENT")
		if err != nil {
			t.Fatal(err)
		}
		var held struct {
			Admin struct {
				User     string `json:"admin_username"`
				Password string `json:"admin_password"`
			} `json:"admin_credentials"`
			API struct {
				Key    string `json:"mautic_api_key"`
				Client string `json:"mautic_api_client_id"`
			} `json:"api_keys"`
			Webhooks struct{ Secret string }
		}
		if err := json.Unmarshal([]byte(value), &held); err != nil {
			t.Fatal(err)
		}
		if got := status(t, r, "/api/users/self", func(r *http.Request) { r.SetBasicAuth(held.Admin.User, held.Admin.Password) }); got != 200 {
			t.Errorf("the administrator gets %d", got)
		}
		var hook string
		if err := server.Admin().QueryRowContext(t.Context(), "SELECT DISTINCT secret FROM "+r.Database+".webhooks").Scan(&hook); err != nil || hook != held.Webhooks.Secret {
			t.Errorf("the webhooks have another secret, or %v", err)
		}

		answer, err := http.PostForm(r.Mautic.URL()+"/oauth/v2/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {held.API.Client}, "client_secret": {held.API.Key},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var token struct {
			Value string `json:"access_token"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&token); err != nil {
			t.Fatal(err)
		}
		call := func() int {
			return status(t, r, "/api/users/self", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Value) })
		}
		if got := call(); got != 200 {
			t.Errorf("the API client gets %d", got)
		}
		r.AWS.Clock().Advance(mauticserver.TokenLifetime + time.Minute)
		if got := call(); got != 401 {
			t.Errorf("a token gets %d when it has expired by AWS's clock", got)
		}
	})
}

// redeploy does what the function does after a promotion.
func redeploy(t *testing.T, r *Rig) {
	t.Helper()
	if err := r.Deploy(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
}

func TestPagesLogInWithThePasswordOfTheNewestTask(t *testing.T) {
	t.Parallel()
	app := &Application{Services: []string{"web"}, Tasks: 1, Interval: 10 * time.Millisecond}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app, Mautic: true})
	expect := func(want int, when string) {
		t.Helper()
		if got := status(t, r, "/s/login", nil); got != want {
			t.Errorf("the login page answers %d, not %d, %s", got, want, when)
		}
	}
	expect(200, "at first")
	if _, err := r.MySQL.Admin().ExecContext(t.Context(), "ALTER USER ?@'%' IDENTIFIED BY 'another'", r.User); err != nil {
		t.Fatal(err)
	}
	value := strings.Replace(r.Document(), r.Password, "another", 1)
	if _, err := r.Secrets.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &r.SecretARN, SecretString: &value}); err != nil {
		t.Fatal(err)
	}
	expect(500, "while the task has a password that is refused")
	redeploy(t, r)
	if err := r.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(200, "with a task that has the new one")
}

func TestATaskEndsAfterTheRequestsThatItAnswers(t *testing.T) {
	t.Parallel()
	app := &Application{Services: []string{"web"}, Tasks: 1, Interval: 10 * time.Millisecond}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app, Mautic: true})
	by, answer := make(chan *TaskRecord, 1), make(chan struct{})
	pages := app.serve(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		task, _ := req.Context().Value(servedBy{}).(*TaskRecord)
		by <- task
		<-answer
	}))
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		pages.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}()
	task := <-by
	if task == nil {
		t.Fatal("no task answers")
	}
	redeploy(t, r)
	told := func() (told, stopped bool) {
		app.mu.Lock()
		defer app.mu.Unlock()
		return task.told, !task.Stopped.IsZero()
	}
	for {
		if told, stopped := told(); stopped {
			t.Fatal("the task has stopped while it answers a request")
		} else if told {
			break
		}
		time.Sleep(time.Millisecond)
	}
	go pages.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if another := <-by; another == nil || another == task {
		t.Errorf("the next request is answered by %v", another)
	}
	if _, stopped := told(); stopped {
		t.Error("the task has stopped while it answers a request")
	}
	close(answer)
	<-answered
	if err := r.WaitSteady(t.Context()); err != nil {
		t.Error(err)
	}
	if _, stopped := told(); !stopped {
		t.Error("the task goes on when its last request is answered")
	}
}

func TestCloseEndsThePages(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Mautic: true})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, err := http.Get(r.Mautic.URL() + "/s/login"); err == nil {
		answer.Body.Close()
		t.Errorf("a page answers %d", answer.StatusCode)
	}
}
