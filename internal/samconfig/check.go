package samconfig

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mautic-rotation/internal/cloudformation"
)

// Check tells all that is wrong with what an environment gives to a template:
// what SAM would drop, samples and what is in another region, what CloudFormation would
// refuse, and schedules whose windows AWS would.
func (e Environment) Check(t *cloudformation.Template) error {
	var faults []error
	for _, item := range e.leftOver {
		name, value, given := strings.Cut(item, "=")
		if !given {
			faults = append(faults, fmt.Errorf("%q is no Name=value", item))
			continue
		}
		faults = append(faults, fmt.Errorf(`SAM cuts %s short, without a message: a value that has a space, or is empty, needs quotes of its own, '%s="%s"'`,
			item, name, strings.Trim(value, `"`)))
	}
	for _, name := range e.twice {
		faults = append(faults, fmt.Errorf("%s is given twice", name))
	}
	if len(e.Parameters) == 0 {
		faults = append(faults, errors.New("it gives no parameters"))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Parameters)) {
		faults = append(faults, sampled(name, e.Parameters[name]), e.elsewhere(name))
	}
	stack, err := t.Render(cloudformation.Options{StackName: e.StackName, Region: e.Region, Parameters: e.Parameters})
	if err != nil {
		return errors.Join(append(faults, err)...)
	}
	for _, id := range slices.Sorted(maps.Keys(stack.Resources)) {
		rules, isSchedule := stack.Resources[id].Properties["RotationRules"].(map[string]any)
		if !isSchedule {
			continue
		}
		number := strings.TrimPrefix(id, "Schedule")
		expression, duration := fmt.Sprint(rules["ScheduleExpression"]), fmt.Sprint(rules["Duration"])
		if err := fits(expression, duration); err != nil {
			faults = append(faults, fmt.Errorf("ScheduleExpression%s: %s and ScheduleDuration%s: %w", number, expression, number, err))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stack.Resources)) {
		if environment, err := stack.Environment(id); err == nil {
			timeout, _ := stack.Resources[id].Properties["Timeout"].(string)
			faults = append(faults, mayWatch(timeout, environment))
		}
	}
	return errors.Join(faults...)
}

// samples are what documentation has in place of an account, of the six characters that
// Secrets Manager adds, of a network and of a host, and how to find out one's own. AWS has no
// such account, and example.com is nobody's (RFC 2606).
var samples = []struct {
	pattern *regexp.Regexp
	own     string
}{
	{regexp.MustCompile(`^arn:aws[a-z-]*:[a-z-]+:[a-z0-9-]*:(123456789012|111122223333):|:secret:\S+-AbCdEf(,|$)`), "the ARN as AWS has it: aws secretsmanager describe-secret --secret-id <name> --query ARN"},
	{regexp.MustCompile(`\b(subnet|sg)-0123456789abcdef[0-9a-f]\b`), "your own: aws ecs describe-services shows those of Mautic's tasks"},
	{regexp.MustCompile(`(^|[@./])example\.(com|org|net)\b`), "your own"},
}

// sampled tells whether a value is one of samconfig.toml as it is shipped, which nothing
// that AWS has can be.
func sampled(name, value string) error {
	for _, sample := range samples {
		if sample.pattern.MatchString(value) {
			return fmt.Errorf("%s: %s is a sample; give %s", name, value, sample.own)
		}
	}
	return nil
}

var inRegion = regexp.MustCompile(`\barn:aws[a-z-]*:[a-z-]+:([a-z0-9-]+):`)

// elsewhere tells whether a parameter names what is in another region than the stack. A bus
// of events alone may be.
func (e Environment) elsewhere(name string) error {
	if e.Region == "" || name == "NoticeBusArn" {
		return nil
	}
	for _, m := range inRegion.FindAllStringSubmatch(e.Parameters[name], -1) {
		if m[1] != e.Region {
			return fmt.Errorf("%s: %s is in %s, and the stack in %s (region); both have to be in one", name, e.Parameters[name], m[1], e.Region)
		}
	}
	return nil
}

// beforeTheWatch is what a tick may take before it begins to watch, and to undo what it
// has done: reading, two waits for a lock, a connection. In seconds.
const beforeTheWatch = 45

// mayWatch tells whether an invocation has the time to watch for the use of an old value.
// One that has not takes none away, and fails at each tick. A number that is missing or is
// none is for the template to refuse.
func mayWatch(timeout string, environment map[string]string) error {
	limit, watch := number(timeout), number(environment["WATCH_SECONDS"])
	needed := watch + beforeTheWatch
	if environment["OBSERVE_MINUTES"] == "0" {
		needed += watch // before it takes the value away, too
	}
	if limit > 0 && watch > 0 && limit < needed {
		return fmt.Errorf("the Timeout %d is too short for WatchSeconds %d: no old value would be taken away. It takes %d seconds at least", limit, watch, needed)
	}
	return nil
}

// number is a number in a text; 0: it is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

var (
	hourly = regexp.MustCompile(`^rate\((\d+) hours?\)$`)
	hours  = regexp.MustCompile(`^cron\(0 (\d*)(?:/(\d+))? `)
)

// fits tells whether a window of that many hours ("3h") ends before the UTC day
// does, and before the next window begins. Whether the expression is one is for
// the template to say.
func fits(expression, duration string) error {
	length, _ := strconv.Atoi(strings.TrimSuffix(duration, "h"))
	if m := hourly.FindStringSubmatch(expression); m != nil {
		if every, _ := strconv.Atoi(m[1]); length > every {
			return fmt.Errorf("a window of %d hours is longer than the %d from one to the next", length, every)
		}
		return nil
	}
	m := hours.FindStringSubmatch(expression)
	if m == nil {
		return nil // a rate in days, whose window opens at midnight
	}
	first, _ := strconv.Atoi(m[1]) // none is midnight
	last := first
	if step, _ := strconv.Atoi(m[2]); step > 0 {
		if first+step < 24 && length > step {
			return fmt.Errorf("a window of %d hours is longer than the %d from one to the next", length, step)
		}
		last += (23 - first) / step * step
	}
	if last+length > 24 {
		return fmt.Errorf("a window of %d hours that opens at %d o'clock UTC reaches past midnight, which AWS refuses", length, last)
	}
	return nil
}
