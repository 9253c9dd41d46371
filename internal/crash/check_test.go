package crash

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestTheCheckerSharesNoCodeWithTheEngine(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("the files of the package: %v, %v", files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			switch strings.TrimPrefix(path, "mautic-rotation/") {
			case "rotation", "rotation/ledger", "rotation/plan", "rotation/database":
				t.Errorf("%s imports %s: what the engine gets wrong, its checker must not get wrong in the same way", file, path)
			}
		}
	}
}

func TestALabelAccountsForValuesThatItsVersionMayHaveLive(t *testing.T) {
	const (
		hash  = "1f0c5a9e"
		times = "@20261122T210405Z"
	)
	for _, c := range []struct {
		kind, label string
		want        bool
	}{
		{"database", "AWSCURRENT", true},
		{"database", "AWSPENDING", false},
		{"database", "AWSPREVIOUS", false},
		{"database", "rotation;2;" + hash + ";database=old.3" + times, true},
		{"database", "rotation;2;" + hash + ";api=old.3;database=pending.1;rollout=20261122T210405Z", true},
		{"database", "rotation;2;" + hash + ";database=failed.4" + times, false},
		{"database", "rotation;2;" + hash + ";api=old.3" + times, false},
		{"database", "rotation;2;" + hash + ";rollout=20261122T210405Z,promoted", false},
		{"database", "rotation;2;database=old.3", false}, // without its version's mark
		{"database", "rotation;old;of=3f2a91c0;live=database", false},
		{"smtp", "rotation;2;" + hash + ";database=old.1;smtp=quarantined.2" + times, true},
		{"smtp", "rotation;2;" + hash + ";database=old.1;smtp=failed.2" + times, false},
	} {
		if got := accountsFor(c.kind, c.label); got != c.want {
			t.Errorf("%s for %s: %v", c.label, c.kind, got)
		}
	}
}

func TestACallHasTheSameNameInEveryTrial(t *testing.T) {
	for _, c := range []struct{ detail, want string }{
		{
			"VersionStage=rotation;2;7ced66ca;api=old.12;database=proven.1@20261128T071952Z;rollout=20261128T071953Z,promoted,converged=20261128T071953Z MoveToVersionId=x",
			"VersionStage=rotation;2;api=old;database=proven;rollout,promoted,converged MoveToVersionId=x",
		},
		{
			"VersionStage=rotation;2;7ced66ca;database=quarantined.3@20261128T071952Z~1f.abc123.sz9k2 RemoveFromVersionId=x",
			"VersionStage=rotation;2;database=quarantined RemoveFromVersionId=x",
		},
		{
			"ClientRequestToken=02ac0ce0-4d5a-31fe-741b-166ca28739d9 VersionStages=[AWSPENDING rotation;2;11d25268;database=pending.1@20261128T071952Z]",
			"VersionStages=[AWSPENDING rotation;2;database=pending]",
		},
		{"UserName=mautic AccessKeyId=AKIA123 Status=Inactive", "UserName=mautic Status=Inactive"},
	} {
		if got := changing.ReplaceAllString(c.detail, ""); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got := what([]string{"rotation;2;7ced66ca;database=old.3@20261128T071952Z"}); got != "database=old" {
		t.Errorf("a version with a ledger label alone is called %q", got)
	}
}
