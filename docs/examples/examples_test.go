// Package examples has no code: it tests the files that the documentation tells people
// to use, by the function's own preflight, by bash and by PHP.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/php"
	rotationecs "mautic-rotation/rotation/ecs"
)

const secretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"

// definitions are the task definitions, by file.
func definitions(t *testing.T) map[string]ecs.RegisterTaskDefinitionInput {
	t.Helper()
	all := map[string]ecs.RegisterTaskDefinitionInput{}
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" || strings.HasPrefix(path, "deploy-policy") || filepath.Dir(path) == "cdk" {
			return err
		}
		// What `aws ecs register-task-definition --cli-input-json` takes: an unknown field is an error there, too.
		decoder := json.NewDecoder(bytes.NewReader(read(t, path)))
		decoder.DisallowUnknownFields()
		var definition ecs.RegisterTaskDefinitionInput
		if err := decoder.Decode(&definition); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		all[path] = definition
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("found %d task definitions", len(all))
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// described answers with one task definition, of one service.
type described struct {
	rotationecs.API
	definition types.TaskDefinition
}

func (d described) DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	active := "ACTIVE"
	return &ecs.DescribeServicesOutput{Services: []types.Service{{ServiceName: d.definition.Family, Status: &active, DesiredCount: 1, TaskDefinition: d.definition.Family}}}, nil
}

func (d described) DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	return &ecs.DescribeTaskDefinitionOutput{TaskDefinition: &d.definition}, nil
}

func TestThePreflightFindsNothingInTheTaskDefinitions(t *testing.T) {
	t.Parallel()
	for path, input := range definitions(t) {
		t.Run(path, func(t *testing.T) {
			api := described{definition: types.TaskDefinition{
				Family: input.Family, ContainerDefinitions: input.ContainerDefinitions, Volumes: input.Volumes,
			}}
			checks := rotationecs.New(api, "mautic-prod-cluster", []string{*input.Family}).Preflight(t.Context(), secretARN)
			if len(checks) < 5 {
				t.Fatalf("%d checks", len(checks))
			}
			for _, c := range checks {
				if c.Problem != nil || c.Warning != nil {
					t.Errorf("%s: %v, %v", c.What, c.Problem, c.Warning)
				}
			}
		})
	}
}

// withoutComments are a script's lines that do something.
func withoutComments(script []byte) string {
	return regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(strings.TrimSpace(string(script)), "")
}

func TestTheScriptsAreThoseOfTheTaskDefinitions(t *testing.T) {
	t.Parallel()
	all := definitions(t)
	for definition, script := range map[string]string{
		"official-image/cron.json":   "official-image/cron-entrypoint.sh",
		"config-parameters/web.json": "config-parameters/entrypoint.sh",
	} {
		container := all[definition].ContainerDefinitions[0]
		if strings.Join(container.EntryPoint, " ") != "/bin/bash -e -c" || len(container.Command) != 1 || container.Command[0] != withoutComments(read(t, script)) {
			t.Errorf("%s runs something else than %s", definition, script)
		}
	}
}

// A machine is a directory that stands for the root of a container, with programs of
// its own before those of the system.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	words, err := php.Command(t.Context(), func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	m := machine{t, t.TempDir()}
	m.program("/bin/php", "exec '"+strings.Join(words, "' '")+`' "$@"`)
	m.program("/bin/chown", `printf '%s\n' "$*" >>`+m.root+"/chowned")
	for _, dir := range []string{"run", "opt", "templates"} {
		if err := os.Mkdir(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// program makes a script of the machine's.
func (m machine) program(path, script string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Join(m.root, filepath.Dir(path)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.root, path), []byte("#!/bin/bash\n"+script+"\n"), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// paths are the places in a container's root that the scripts name.
var paths = regexp.MustCompile(`(^|[\s>=#])/(run|opt|templates|entrypoint\.sh)\b`)

// bash runs a script, with the machine's root in place of /, and these variables alone.
func (m machine) bash(script string, variables ...string) string {
	m.t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(bash, "-e", "-c", paths.ReplaceAllString(script, "${1}"+m.root+"/$2"))
	cmd.Dir = m.root
	cmd.Env = append([]string{"PATH=" + filepath.Join(m.root, "bin") + ":/usr/bin:/bin"}, variables...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// ofAJob runs a job by a crontab as Debian's cron does, and returns a variable that it
// has, as PHP sees it; "none" for one that it has not. The first job comes after all
// settings here.
func (m machine) ofAJob(crontab, variable string) string {
	m.t.Helper()
	shell := "/bin/sh"
	settings := []string{"PATH=" + filepath.Join(m.root, "bin") + ":/usr/bin:/bin", "HOME=/var/www"}
	for line := range strings.Lines(string(read(m.t, filepath.Join(m.root, crontab)))) {
		if !strings.HasSuffix(line, "\n") {
			m.t.Errorf("crontab refuses a file whose last line does not end: %q", line)
		}
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		value = strings.Trim(value, " \t")
		switch name = strings.TrimSpace(name); {
		case !ok || strings.Contains(name, " ") || name == "PATH":
		case name == "SHELL":
			shell = value
		default:
			settings = append(settings, name+"="+paths.ReplaceAllString(value, m.root+"/$2"))
		}
	}
	cmd := exec.Command(shell, "-c", `php -r '$v = getenv("`+variable+`"); echo $v === false ? "none" : $v;'`)
	cmd.Dir, cmd.Env = m.root, settings
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "none: " + err.Error()
	}
	return string(out)
}

// imageCrontab is what the image has, as far as it matters here.
const imageCrontab = "SHELL=/bin/bash\nPATH=/usr/local/bin:/usr/bin:/bin\nBASH_ENV=/tmp/cron.env\n\n" + job

const job = "0,15,30,45 * * * * php /var/www/html/bin/console mautic:segments:update\n"

func TestCronJobsGetTheVariablesByTheEntryPoint(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ crontab, at string }{
		"the image's crontab":             {imageCrontab, "templates/mautic_cron"},
		"the image's, on a volume":        {imageCrontab, "opt/mautic/cron/mautic"},
		"one without settings":            {job, "opt/mautic/cron/mautic"},
		"one that names another shell":    {"SHELL=/bin/sh\nBASH_ENV=/tmp/cron.env\n" + job, "opt/mautic/cron/mautic"},
		"one with spaces in its settings": {"SHELL = /bin/sh\n BASH_ENV = /tmp/cron.env\n" + job, "opt/mautic/cron/mautic"},
		"one that sets a variable anew":   {"BASH_ENV=/tmp/a\n" + job + "BASH_ENV=/tmp/b\n" + job, "opt/mautic/cron/mautic"},
		"one with the line ends of DOS":   {strings.ReplaceAll(imageCrontab, "\n", "\r\n"), "opt/mautic/cron/mautic"},
		"one whose last line has no end":  {strings.TrimSuffix(imageCrontab, "\n"), "opt/mautic/cron/mautic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if err := os.MkdirAll(filepath.Dir(filepath.Join(m.root, tc.at)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(m.root, tc.at), []byte(tc.crontab), 0o600); err != nil {
				t.Fatal(err)
			}
			m.program("/entrypoint.sh", `echo "entry point of $DOCKER_MAUTIC_ROLE, umask $(umask)"`)
			const odd = `new 'pass"word$HOME%` + "\nline"
			for _, password := range []string{"first-Pa.ss_w~0rd", odd} {
				said := m.bash(string(read(t, "official-image/cron-entrypoint.sh")), "HOME=/root",
					"DOCKER_MAUTIC_ROLE=mautic_cron", "MAUTIC_DB_PASSWORD="+password, "PHP_INI_VALUE_MEMORY_LIMIT=512M", "MAILER_DSN=smtp://x")
				if said != "entry point of mautic_cron, umask "+m.bash("umask") {
					t.Errorf("the image's own entry point said %q", said)
				}
				for variable, want := range map[string]string{
					"MAUTIC_DB_PASSWORD": password, "PHP_INI_VALUE_MEMORY_LIMIT": "512M", "MAILER_DSN": "smtp://x", "HOME": "/var/www",
				} {
					if got := m.ofAJob("opt/mautic/cron/mautic", variable); got != want {
						t.Errorf("a job has %s %q, want %q", variable, got, want)
					}
				}
			}
			if got := string(read(t, filepath.Join(m.root, "opt/mautic/cron/mautic"))); strings.Count(got, job) != strings.Count(tc.crontab+"\n", "segments:update") {
				t.Errorf("the jobs are %q", got)
			}
			info, err := os.Stat(filepath.Join(m.root, "run/cron.env"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file of the variables: %v, %v", info, err)
			}
			if owner := string(read(t, filepath.Join(m.root, "chowned"))); !strings.HasPrefix(owner, "www-data ") {
				t.Errorf("it is given to %q", owner)
			}
		})
	}
}

// TestTheEntryPointWritesNoCrontabThatIsRight: it may be on a volume that is mounted
// read-only, and on one that other tasks read at the moment.
func TestTheEntryPointWritesNoCrontabThatIsRight(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.program("/entrypoint.sh", "")
	at := filepath.Join(m.root, "opt/mautic/cron/mautic")
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte("SHELL=/bin/bash\nBASH_ENV="+m.root+"/run/cron.env\n\n"+job), 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(at, long, long); err != nil {
		t.Fatal(err)
	}
	m.bash(string(read(t, "official-image/cron-entrypoint.sh")), "MAUTIC_DB_PASSWORD=x")
	if info, err := os.Stat(at); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("it was written: %v, %v", info, err)
	}
}

func TestLocalPHPTakesWhatTheTaskHasRead(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file, err := filepath.Abs("own-local-php/local.php")
	if err != nil {
		t.Fatal(err)
	}
	var variables []string
	want := map[string]string{"db_driver": "pdo_mysql", "site_url": "https://mautic.example.com"}
	container := definitions(t)["own-local-php/task.json"].ContainerDefinitions[0]
	for _, v := range container.Environment {
		variables = append(variables, *v.Name+"="+*v.Value)
		want[strings.ToLower(strings.TrimPrefix(*v.Name, "MAUTIC_"))] = *v.Value
	}
	for _, s := range container.Secrets {
		value := "value-of-" + *s.Name
		if *s.Name == "MAILER_DSN" {
			value = "smtp://AKIA:a%2Fb%3D@email-smtp.eu-west-1.amazonaws.com:587"
			want["mailer_dsn"] = strings.ReplaceAll(value, "%", "%%")
		} else {
			want[strings.ToLower(strings.TrimPrefix(*s.Name, "MAUTIC_"))] = value
		}
		variables = append(variables, *s.Name+"="+value)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(m.bash(`php -d error_reporting=-1 -d display_errors=1 -r 'include "`+file+`"; echo json_encode($parameters);'`, variables...)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("it has %d parameters, want %d", len(got), len(want))
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: got %q, want %q", name, got[name], value)
		}
	}
}

func TestConfigParametersHaveWhatTheTaskHasRead(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.program("/entrypoint.sh", `printf '%s' "$MAUTIC_CONFIG_PARAMETERS"`)
	const password = `a"b\c'd`
	said := m.bash(string(read(t, "config-parameters/entrypoint.sh")), "MAUTIC_DB_PASSWORD="+password)
	var got map[string]string
	if err := json.Unmarshal([]byte(said), &got); err != nil || got["db_password"] != password || got["site_url"] == "" {
		t.Errorf("%q: %v", said, err)
	}
}

// TestTheDocumentationShowsTheFiles: each block of code in the chapter stands in the
// file that the text before it links to.
func TestTheDocumentationShowsTheFiles(t *testing.T) {
	t.Parallel()
	_, chapter, found := strings.Cut(string(read(t, "../deploy.md")), "\n## How Mautic must be set up\n")
	if !found {
		t.Fatal("docs/deploy.md has no chapter \"How Mautic must be set up\"")
	}
	chapter, _, _ = strings.Cut(chapter, "\n### Copies of a credential")
	blocks := regexp.MustCompile("(?s)```\\w+\n(.*?)```").FindAllStringSubmatchIndex(chapter, -1)
	if len(blocks) < 4 {
		t.Fatalf("found %d blocks of code", len(blocks))
	}
	links := regexp.MustCompile(`\]\(examples/([^)]+)\)`)
	for _, at := range blocks {
		block := chapter[at[2]:at[3]]
		linked := links.FindAllStringSubmatch(chapter[:at[0]], -1)
		if len(linked) == 0 {
			t.Errorf("no file is linked before %s", block)
			continue
		}
		file := linked[len(linked)-1][1]
		if !strings.Contains(flat(string(read(t, file))), flat(block)) {
			t.Errorf("%s does not have\n%s", file, block)
		}
	}
	for path := range definitions(t) {
		if !strings.Contains(chapter, "(examples/"+path+")") {
			t.Errorf("nothing links to %s", path)
		}
	}
}

// flat is a text without what its indentation adds.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }
