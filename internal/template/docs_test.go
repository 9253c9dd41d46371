package template_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
)

// pages are the README, the changelog and all of docs/, by their names.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	found := map[string]string{}
	for _, file := range append(files, "../../README.md", "../../CHANGELOG.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = string(text)
	}
	return found
}

var (
	block  = regexp.MustCompile("(?s)```[a-z]*\n(.*?)```")
	inline = regexp.MustCompile("`([^`]+)`")
)

// commands are the AWS CLI's commands in a page, in a block or in a sentence,
// each as its words.
func commands(page string) (found [][]string) {
	take := func(text string) {
		words := strings.Fields(text)
		for i, word := range words {
			if word == "aws" && i+2 < len(words) {
				found = append(found, words[i:])
			}
		}
	}
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
			take(line)
		}
	}
	for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1) {
		take(m[1])
	}
	return found
}

// deleting has the commands that delete or switch off something, with the flag
// that names it and its type in a stack.
var deleting = map[string]struct{ flag, kind string }{
	"lambda delete-function":   {"--function-name", "AWS::Serverless::Function"},
	"logs delete-log-group":    {"--log-group-name", "AWS::Logs::LogGroup"},
	"events delete-rule":       {"--name", "AWS::Events::Rule"},
	"events disable-rule":      {"--name", "AWS::Events::Rule"},
	"events remove-targets":    {"--rule", "AWS::Events::Rule"},
	"cloudwatch delete-alarms": {"--alarm-names", "AWS::CloudWatch::Alarm"},
	"sns delete-topic":         {"--topic-arn", "AWS::SNS::Topic"},

	// Where a page says how to take everything away: what they name is the whole, and
	// nothing that it owns.
	"cloudformation delete-stack":           {"--stack-name", "AWS::CloudFormation::Stack"},
	"cloudformation delete-stack-instances": {"--stack-set-name", "AWS::CloudFormation::StackSet"},
	"cloudformation delete-stack-set":       {"--stack-set-name", "AWS::CloudFormation::StackSet"},
}

var (
	deletes    = regexp.MustCompile(`^(delete|remove|deregister|disable|terminate|purge)-`)
	overwrites = []string{"put-secret-value", "update-secret", "delete-secret"}
)

// harms tells which commands delete what a stack owns, or write a secret's value
// over another.
func harms(found [][]string, stacks map[owned]string) (faults []string, looked int) {
	for _, words := range found {
		command := words[1] + " " + words[2]
		if words[1] == "secretsmanager" && slices.Contains(overwrites, words[2]) {
			faults = append(faults, command+" overwrites or deletes what may be live")
		}
		if !deletes.MatchString(words[2]) {
			continue
		}
		looked++
		what, known := deleting[command]
		i := slices.Index(words, what.flag)
		switch {
		case !known || i < 0 || i+1 == len(words):
			faults = append(faults, "what "+strings.Join(words, " ")+" deletes is not known")
		case stacks[owned{what.kind, words[i+1]}] != "":
			faults = append(faults, fmt.Sprintf("%s %s deletes the stack's %s", command, words[i+1], stacks[owned{what.kind, words[i+1]}]))
		}
	}
	return faults, looked
}

// What `make status` shows at the end of the first deployment is what the template gives
// to a stack with the parameters of samconfig.toml.
func TestTheFirstDeploymentIsShownWithItsSchedule(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{StackName: "mautic-secret-rotation-prod", Region: "eu-west-1", Parameters: overrides(t)["prod"]})
	rules, _ := stack.Resources["Schedule"].Properties["RotationRules"].(map[string]any)
	want := fmt.Sprintf("\n  schedule  %v, window %v, next by ", rules["ScheduleExpression"], rules["Duration"])
	if page := pages(t)["deploy.md"]; strings.Count(page, "\n  schedule  ") != 1 || !strings.Contains(page, want) {
		t.Errorf("deploy.md has not %q", want)
	}
}

func TestNoDocumentedCommandDeletesWhatAStackOwnsOrOverwritesASecret(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	stacks := owns(t, render(t, parsed, cloudformation.Options{StackName: "mautic-secret-rotation", Parameters: full()}))
	for environment, parameters := range overrides(t) {
		stack := render(t, parsed, cloudformation.Options{StackName: "mautic-secret-rotation-" + environment, Parameters: parameters})
		for name, id := range owns(t, stack) {
			stacks[name] = id
		}
	}
	all := 0
	for name, page := range pages(t) {
		faults, looked := harms(commands(page), stacks)
		all += looked
		for _, fault := range faults {
			t.Errorf("%s: %s", name, fault)
		}
	}
	if all < 4 {
		t.Errorf("only %d commands that delete were found", all)
	}
	// And those that would do harm are seen.
	for text, harm := range map[string]bool{
		"```\naws lambda delete-function \\\n  --function-name mautic-rotation-prod\n```":       true,
		"Then `aws lambda delete-function\n  --function-name mautic-rotation` it.":              true,
		"`aws cloudwatch delete-alarms --alarm-names mautic-rotation-prod-errors`":              true,
		"`aws s3 delete-bucket --bucket mautic`":                                                true,
		"`cat x | aws secretsmanager put-secret-value --secret-id mautic-prod-secrets --x y`":   true,
		"`aws lambda delete-function --function-name mautic-secret-rotation`":                   false,
		"`aws secretsmanager rotate-secret --secret-id mautic-prod-secrets`":                    false,
		"`aws secretsmanager update-secret-version-stage --secret-id s --version-stage rotate`": false,
	} {
		if faults, _ := harms(commands(text), stacks); (len(faults) > 0) != harm {
			t.Errorf("%s: %q", text, faults)
		}
	}
}

var (
	unit     = regexp.MustCompile(`\n\s*\n|\n\s*(?:[-*|]|\d+\.) `)
	writing  = regexp.MustCompile(`(?i)\b(writ|rewrit|overwrit|render|generat|creat|fill|cop(y|ies)|replac|template|envsubst)`)
	starting = regexp.MustCompile(`(?i)\b(starts?|started|startup|boots?|launch\w*|entry ?points?|init)\b`)
	warning  = regexp.MustCompile(`(?i)\b(do not|don't|never|must not)\b`)
)

// rewritings are the paragraphs and items that have local.php written when a
// container starts, without warning of it; and how many do warn.
func rewritings(page string) (advice []string, warnings int) {
	for _, text := range unit.Split(page, -1) {
		if !strings.Contains(text, "local.php") || !writing.MatchString(text) || !starting.MatchString(text) {
			continue
		}
		if warning.MatchString(text) {
			warnings++
		} else {
			advice = append(advice, strings.Join(strings.Fields(text), " "))
		}
	}
	return advice, warnings
}

// A local.php that is written anew has no secret_key and no site_url. Mautic 7.0
// then shows its installer to everybody.
func TestNoPageTellsToWriteTheConfigurationAnewAtStart(t *testing.T) {
	t.Parallel()
	warned := 0
	for name, page := range pages(t) {
		advice, warnings := rewritings(page)
		warned += warnings
		for _, text := range advice {
			t.Errorf("%s says: %s", name, text)
		}
	}
	if warned == 0 {
		t.Error("no page warns of it")
	}
	for text, want := range map[string]int{
		"- one\n- the entry point writes `local.php` from the template at every start, and not at the first one alone.\n- two": 1,
		"Have `config/local.php` rendered by envsubst whenever a\ncontainer boots.":                                            1,
		"Do not write `local.php` anew when a container starts.":                                                               0,
		"Mautic writes the password into `local.php`.\n\nAt start the image looks for the database.":                           0,
	} {
		if advice, _ := rewritings(text); len(advice) != want {
			t.Errorf("%q: %q", text, advice)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	strip   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func TestEveryLinkOfTheDocsLeadsSomewhere(t *testing.T) {
	t.Parallel()
	all, followed := pages(t), 0
	anchors := map[string][]string{}
	for name, page := range all {
		for _, m := range heading.FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1) {
			anchors[name] = append(anchors[name], strings.ReplaceAll(strip.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
		}
	}
	for name, page := range all {
		folder := "../../docs"
		if name == "README.md" || name == "CHANGELOG.md" {
			folder = "../.."
		}
		for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, anchor, hasAnchor := strings.Cut(m[1], "#")
			if file == "" {
				file = name
			} else if _, err := os.Stat(filepath.Join(folder, file)); err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
			}
			if hasAnchor && !slices.Contains(anchors[filepath.Base(file)], anchor) {
				t.Errorf("%s: %s: there is no such heading", name, m[1])
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were followed", followed)
	}
}
