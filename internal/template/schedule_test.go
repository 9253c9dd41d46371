package template_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// schedules are expressions, and whether AWS takes them with a window of one
// hour: by its page "Schedule expressions", whose examples are all here.
var schedules = map[string]bool{
	"rate(1 day)": true, "rate(2 days)": true, "rate(30 days)": true, "rate(999 days)": true,
	"rate(1 days)": false, "rate(30 day)": false, "rate(0 days)": false, "rate(01 day)": false, "rate(1000 days)": false, "rate(1.5 days)": false,
	"rate(4 hours)": true, "rate(24 hours)": true, "rate(999 hours)": true,
	"rate(1 hour)": false, "rate(2 hours)": false, "rate(3 hours)": false, "rate(4 hour)": false, "rate(30 minutes)": false, "rate(4 weeks)": false,

	"cron(0 /8 * * ? *)": true, "cron(0 8/8 * * ? *)": true, "cron(0 2/10 * * ? *)": true, "cron(0 4/12 * * ? *)": true,
	"cron(0 10 * * ? *)": true, "cron(0 18 ? * SAT *)": true, "cron(0 8 1 * ? *)": true, "cron(0 1 ? 1/3 SUN#1 *)": true,
	"cron(0 17 L * ? *)": true, "cron(0 8 ? * MON-FRI *)": true, "cron(0 16 1,15 * ? *)": true, "cron(0 0 ? * SUN#1 *)": true,
	"cron(0 3 SUNL * ? *)": true, "cron(0 3 1-15 * ? *)": true, "cron(0 3 1/2 * ? *)": true, "cron(0 3 1 JAN,APR,JUL,OCT ? *)": true,
	"cron(0 3 1 1-3 ? *)": true, "cron(0 3 ? * 1,4 *)": true, "cron(0 3 ? * 1-4 *)": true, "cron(0 3 ? * 1/2 *)": true,
	"cron(0 3 ? * TUE#3 *)": true, "cron(0 3 ? * L *)": true, "cron(0 22 ? * SUN *)": true, "cron(0 23 31 12 ? *)": true,

	"cron(5 3 ? * SUN *)": false, "cron(* 3 ? * SUN *)": false, "cron(0 24 ? * SUN *)": false, "cron(0 /2 * * ? *)": false, "cron(0 2/3 * * ? *)": false,
	"cron(0 3 ? * SUN 2027)": false, "cron(0 3 ? * SUN)": false, "cron(0 3 * * * *)": false, "cron(0 3 ? * ? *)": false, "cron(0 3 1 * SUN *)": false,
	"cron(0 3 32 * ? *)": false, "cron(0 3 0 * ? *)": false, "cron(0 3 1 13 ? *)": false, "cron(0 3 ? * 8 *)": false, "cron(0 3 ? * SUN#6 *)": false,
	"cron(0 3 ? * SUNDAY *)": false, "cron(0 3 ? * * *": false,

	"30 days": false, "rate(30": false, "cron(0": false, "rate(30 days) ": false, "Rate(30 days)": false, "@daily": false,
}

// takesSchedule asks the stand-in for AWS whether it takes a schedule. Rules are
// checked before the secret is looked for, so there is neither a secret nor a
// function. It asks the core, without a server: there are hundreds of schedules.
func takesSchedule(t *testing.T) func(expression, duration string) error {
	t.Helper()
	core := secretsmanager.NewCore(host.Env{}, secretsmanager.Options{}, secretsmanager.Hooks{})
	return func(expression, duration string) error {
		_, err := core.RotateSecret(t.Context(), secretsmanager.RotateSecretInput{
			SecretID: "none", RotationLambdaARN: "none", ClientRequestToken: strings.Repeat("t", 32),
			RotationRules: &secretsmanager.RotationRules{ScheduleExpression: expression, Duration: duration},
		})
		var refusal *wire.Error
		if errors.As(err, &refusal) && refusal.Code == "ResourceNotFoundException" {
			return nil
		}
		return err
	}
}

func TestAScheduleIsTakenWhereAWSTakesItAndRefusedWithASentenceWhereNot(t *testing.T) {
	t.Parallel()
	tpl, asked := read(t), takesSchedule(t)
	for _, name := range eachOf("ScheduleExpression") {
		p := tpl.Parameters.At(name)
		for expression, taken := range schedules {
			if why := refused(p, expression); (why == "") != taken {
				t.Errorf("%s: %q: taken is %v", name, expression, why == "")
			}
		}
		// SAM cuts a value at its first space, unless it has quotes of its own.
		if says := p.Text("ConstraintDescription"); !strings.Contains(says, "rate(1 day)") || !strings.Contains(says, `'ScheduleExpression="rate(30 days)"'`) {
			t.Errorf("%s says %q", name, says)
		}
	}
	for expression, taken := range schedules {
		if err := asked(expression, "1h"); (err == nil) != taken {
			t.Errorf("AWS: %q: %v", expression, err)
		}
	}
}

// eachOf are a parameter of the first secret and its likes of the others.
func eachOf(name string) []string {
	names := []string{name}
	for i := 2; i <= 5; i++ {
		names = append(names, fmt.Sprint(name, i))
	}
	return names
}

func TestWhateverThePatternTakesWithTheDefaultWindowAWSTakes(t *testing.T) {
	t.Parallel()
	tpl, asked := read(t), takesSchedule(t)
	pattern := regexp.MustCompile(tpl.Parameters.At("ScheduleExpression").Text("AllowedPattern"))
	const window = "1h" // the template's, but for its own default
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	number := func() string { return strconv.Itoa(random.IntN(34)) }
	field := func() string {
		atom := func() string {
			return pick(number(), number(), pick("SUN", "MON", "FRI", "JAN", "DEC", "L", "*", "?", ""))
		}
		// A range that ends before it begins is left out: nobody means one, and
		// whether AWS takes it is not known.
		return pick("*", "?", "L", atom(), atom(), atom()+","+atom(), atom()+"/"+number(), "1-"+pick("2", "5", "7", "12"), atom()+"#"+number(), pick("SUN", "TUE")+"L")
	}
	taken := map[string]bool{}
	for range 20_000 {
		expression := pick("rate("+number()+" "+pick("hour", "hours", "day", "days")+")",
			"cron(0 "+pick(number(), pick("", number())+"/"+number())+" "+field()+" "+pick("*", field())+" "+field()+" *)")
		if pattern.MatchString(expression) {
			taken[expression] = true
		}
	}
	for expression := range taken {
		if err := asked(expression, window); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
	if len(taken) < 200 {
		t.Errorf("only %d of the expressions were taken", len(taken))
	}
}

// monthly is the default of each ScheduleExpression.
const monthly = "cron(0 3 8 * ? *)"

// rulesOf are the expressions and the windows of a stack's five schedules.
func rulesOf(t *testing.T, stack *cloudformation.Stack) (expressions, windows []string) {
	t.Helper()
	for _, id := range eachOf("Schedule") {
		rules, ok := stack.Resources[id].Properties["RotationRules"].(map[string]any)
		if !ok {
			t.Fatalf("%s has no rules", id)
		}
		expressions, windows = append(expressions, fmt.Sprint(rules["ScheduleExpression"])), append(windows, fmt.Sprint(rules["Duration"]))
	}
	return expressions, windows
}

// An update that changes a schedule fails while a rotation is pending, so what is
// rotated, and how often, does not change it.
func TestTheDefaultScheduleIsACalendarWhateverIsRotated(t *testing.T) {
	t.Parallel()
	parsed, asked := parse(t), takesSchedule(t)
	for _, kinds := range []string{"database", "smtp", "database,smtp", "database,api,admin,webhook,smtp"} {
		for _, days := range []string{"1", "90", "999"} {
			stack := render(t, parsed, cloudformation.Options{Parameters: changedTo(full(), with("RotateKinds", kinds, "DatabaseEveryDays", days))})
			expressions, windows := rulesOf(t, stack)
			for i, expression := range expressions {
				if err := asked(expression, windows[i]); err != nil || expression != monthly || windows[i] != "4h" {
					t.Errorf("schedule %d, %s every %s days: %s, %s: %v", i+1, kinds, days, expression, windows[i], err)
				}
			}
			if environment, err := stack.Environment("RotationFunction"); err != nil || environment["ROTATE_WHEN_DUE"] != environment["SECRET_ARNS"] {
				t.Errorf("by the default schedule ROTATE_WHEN_DUE is %q, %v", environment["ROTATE_WHEN_DUE"], err)
			}
		}
	}
}

// SAM passes the empty values on that an earlier version of the template had by
// default, and the windows of an hour.
func TestAStackOfAnEarlierTemplateKeepsItsSchedule(t *testing.T) {
	t.Parallel()
	parsed, asked := parse(t), takesSchedule(t)
	for _, kinds := range []string{"database", "database,smtp"} {
		for _, days := range []string{"1", "2", "90", "999"} {
			parameters := changedTo(full(), with("RotateKinds", kinds, "DatabaseEveryDays", days))
			for _, name := range eachOf("Schedule") {
				number := strings.TrimPrefix(name, "Schedule")
				parameters["ScheduleExpression"+number], parameters["ScheduleDuration"+number] = "", "1h"
			}
			stack := render(t, parsed, cloudformation.Options{Parameters: parameters})
			want := "rate(30 days)"
			if kinds == "database" {
				want = strings.Replace("rate("+days+" days)", "(1 days)", "(1 day)", 1)
			}
			expressions, windows := rulesOf(t, stack)
			for i, expression := range expressions {
				if err := asked(expression, windows[i]); err != nil || expression != want || windows[i] != "1h" {
					t.Errorf("schedule %d, %s every %s days: %s, %s: %v", i+1, kinds, days, expression, windows[i], err)
				}
			}
			if environment, err := stack.Environment("RotationFunction"); err != nil || environment["ROTATE_WHEN_DUE"] != "" {
				t.Errorf("ROTATE_WHEN_DUE is %q, %v", environment["ROTATE_WHEN_DUE"], err)
			}
		}
	}
}

func TestAScheduleOfOnesOwnIsTheRhythmUnlessItIsSaidNotToBe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ expression, whenDue, want, window string }{
		{monthly, "", given["SecretArn"], "4h"}, {monthly, "false", "false", "4h"},
		{"cron(0 22 8 * ? *)", "", "", "1h"}, {"cron(0 22 8 * ? *)", "true", "true", "1h"},
		{"rate(30 days)", "", "", "1h"}, {"", "true", "true", "1h"},
	} {
		stack := render(t, parse(t), cloudformation.Options{Parameters: changedTo(given, with("ScheduleExpression", tc.expression, "RotateWhenDue", tc.whenDue))})
		environment, err := stack.Environment("RotationFunction")
		if got := environment["ROTATE_WHEN_DUE"]; err != nil || got != tc.want {
			t.Errorf("%q, RotateWhenDue %q: ROTATE_WHEN_DUE is %q, %v", tc.expression, tc.whenDue, got, err)
		}
		rules, _ := stack.Resources["Schedule"].Properties["RotationRules"].(map[string]any)
		if rules["Duration"] != tc.window {
			t.Errorf("%q: the window is %v, want %s", tc.expression, rules["Duration"], tc.window)
		}
	}
}

// One secret may have the default and another a schedule of its own, which is then the
// rhythm of that one and of no other.
func TestEachSecretsScheduleSaysOfThatSecretWhetherItIsTheRhythm(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	names := eachOf("ScheduleExpression")
	for own := range 1 << len(names) { // those with a schedule of their own, as bits
		parameters := changedTo(full(), with("RotateWhenDue", ""))
		for i, name := range names {
			if parameters[name] = monthly; own>>i&1 == 1 {
				parameters[name] = "rate(30 days)"
			}
		}
		stack := render(t, parsed, cloudformation.Options{Parameters: parameters})
		environment, err := stack.Environment("RotationFunction")
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i, arn := range strings.Split(environment["SECRET_ARNS"], ",") {
			if own>>i&1 == 0 {
				want = append(want, arn)
			}
		}
		if got := environment["ROTATE_WHEN_DUE"]; got != strings.Join(want, ",") {
			t.Errorf("own schedules %05b: ROTATE_WHEN_DUE is %q, want %q", own, got, want)
		}
	}
}

func TestWhatHoldsASpaceSaysThatItTakesQuotesInSamconfig(t *testing.T) {
	t.Parallel()
	tpl, found := read(t), 0
	for _, name := range tpl.Parameters.Keys() {
		p := tpl.Parameters.At(name)
		text, _ := strings.CutSuffix(name, strings.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) // without the 2 of SecretArn2
		holds := refused(p, "a b") == "" || refused(p, "rate(30 days)") == "" || refused(p, "rate(5 minutes)") == ""
		if !holds {
			continue
		}
		found++
		if says := p.Text("Description") + p.Text("ConstraintDescription"); !strings.Contains(says, "samconfig.toml") || !strings.Contains(says, "'"+text+`="`) {
			t.Errorf("%s says %q", name, says)
		}
	}
	if found != 7 {
		t.Errorf("%d parameters hold a space", found)
	}
}
