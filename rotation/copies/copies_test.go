package copies

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestACopyFollowsInTheEncodingThatItHas(t *testing.T) {
	was, is := Login{"AKIAOLD", "a/b+c="}, Login{"AKIANEW", "x+y/z="}
	mautic, renewed := Login{"mautic", "Secret-1"}, Login{"mautic", "Secret-2"}
	weak := Login{"mautic", "mautic"}
	for _, tc := range []struct {
		name    string
		was, is Login
		text    string
		want    string // "": it has no copy
	}{
		{"a URL", mautic, renewed, "mysql://mautic:Secret-1@db:3306/mautic?charset=utf8mb4", "mysql://mautic:Secret-2@db:3306/mautic?charset=utf8mb4"},
		{"percent-encoded", was, is, "smtp://AKIAOLD:a%2Fb%2Bc%3D@email-smtp.us-east-1.amazonaws.com:587", "smtp://AKIANEW:x%2By%2Fz%3D@email-smtp.us-east-1.amazonaws.com:587"},
		{"in lower case", was, is, "smtp://AKIAOLD:a%2fb%2bc%3d@host", "smtp://AKIANEW:x%2by%2fz%3d@host"},
		{"in part", was, is, "smtp://AKIAOLD:a%2Fb+c=@host", "smtp://AKIANEW:x%2By%2Fz%3D@host"},
		{"as in local.php", was, is, "smtp://AKIAOLD:a%%2Fb%%2Bc%%3D@host", "smtp://AKIANEW:x%%2By%%2Fz%%3D@host"},
		{"with nothing that had to be encoded", Login{"k", "abc"}, Login{"k", "x+y/z="}, "smtp://k:abc@host", "smtp://k:x%2By%2Fz%3D@host"},
		{"likewise, as in local.php", Login{"k", "abc"}, Login{"k", "x/z"}, "smtp://k:abc@host?name=%%20", "smtp://k:x%%2Fz@host?name=%%20"},
		{"not encoded at all", was, is, "smtp://AKIAOLD:a/b+c=@host", "smtp://AKIANEW:x+y/z=@host"},
		{"a DSN of Go's", mautic, Login{"mautic", "p%q"}, "mautic:Secret-1@tcp(db:3306)/mautic", "mautic:p%q@tcp(db:3306)/mautic"},
		{"a DSN of JDBC's", mautic, renewed, "jdbc:mysql://db/mautic?user=mautic&password=Secret-1&ssl=true", "jdbc:mysql://db/mautic?user=mautic&password=Secret-2&ssl=true"},
		{"the same, encoded", was, is, "jdbc:mysql://db/m?user=AKIAOLD&password=a%2Fb%2Bc%3D", "jdbc:mysql://db/m?user=AKIANEW&password=x%2By%2Fz%3D"},
		{"a DSN of PDO's", mautic, renewed, "mysql:host=db;user=mautic;password=Secret-1", "mysql:host=db;user=mautic;password=Secret-2"},
		{"of ODBC's, as it is", mautic, Login{"mautic", "a+b"}, "Server=db;Uid=mautic;Pwd=Secret-1;", "Server=db;Uid=mautic;Pwd=a+b;"},
		{"several", mautic, renewed, "mysql://mautic:Secret-1@a/m,mysql://mautic:Secret-1@b/m", "mysql://mautic:Secret-2@a/m,mysql://mautic:Secret-2@b/m"},
		{"within a file's text", mautic, renewed, "A=1\nDATABASE_URL=mysql://mautic:Secret-1@db/m\n", "A=1\nDATABASE_URL=mysql://mautic:Secret-2@db/m\n"},
		{"only the login of three words that are the same", weak, renewed, "mysql://mautic:mautic@mautic/mautic", "mysql://mautic:Secret-2@mautic/mautic"},

		{"another user with the same secret", weak, renewed, "redis://default:mautic@redis/0", ""},
		{"no user", weak, renewed, "redis://:mautic@redis/0", ""},
		{"another secret that begins likewise", mautic, renewed, "mysql://mautic:Secret-10@db/m", ""},
		{"a user that ends likewise", mautic, renewed, "mysql://xmautic:Secret-1@db/m", ""},
		{"the secret alone", mautic, renewed, "Secret-1", ""},
		{"the password of another user's parameters", mautic, renewed, "user=other;password=Secret-1", ""},
		{"prose", mautic, renewed, "the login is mautic:Secret-1@db", ""},
		{"nothing", mautic, renewed, "", ""},
		{"an empty login", Login{}, renewed, "://:@", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.want
			if want == "" {
				want = tc.text
			}
			got, ok := Replace(tc.text, tc.was, tc.is)
			if got != want || ok != (tc.want != "") {
				t.Errorf("got  %q, %v\nwant %q", got, ok, want)
			}
		})
	}
}

func TestASecretThatIsMentionedElsewhereIsSeen(t *testing.T) {
	l := Login{"mautic", "Secret/1234"}
	for text, want := range map[string]bool{
		"Secret/1234": true, "x Secret%2F1234 y": true, "redis://:Secret%%2f1234@r": true,
		"Secret/123": false, "": false,
	} {
		if got := Mentions(text, l); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
	if Mentions("mautic", Login{"mautic", "mautic"}) {
		t.Error("a word is taken for a secret")
	}
}

func TestALoginThatIsPrintedShowsNothing(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, Login{"mautic", "hunter2"}); strings.Contains(got, "hunter2") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func FuzzAURLThatFollowsHasTheNewLogin(f *testing.F) {
	f.Add("mautic", "a/b+c=", "mautic", "x%y@z:")
	f.Add("a@b", "%25", "%%", ":@/")
	f.Fuzz(func(t *testing.T, name, secret, newName, newSecret string) {
		if name == "" || secret == "" || newName == "" {
			return
		}
		before := url.URL{Scheme: "mysql", User: url.UserPassword(name, secret), Host: "db:3306", Path: "/m"}
		text, ok := Replace(before.String(), Login{name, secret}, Login{newName, newSecret})
		if !ok {
			t.Fatalf("%q is no copy of its login", before.String())
		}
		if again, ok := Replace(text, Login{newName, newSecret}, Login{name, secret}); newSecret != "" && (!ok || again == text && (name != newName || secret != newSecret)) {
			t.Errorf("%q does not follow back", text)
		}
		after, err := url.Parse(text)
		if err != nil {
			return // a login that was written without encoding
		}
		if got, _ := after.User.Password(); strings.Contains(before.String(), "%") && (after.User.Username() != newName || got != newSecret) {
			t.Errorf("%q has another login", text)
		}
	})
}
