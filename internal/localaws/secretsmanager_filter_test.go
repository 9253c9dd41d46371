package localaws_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
)

// The rules are those of the API reference of Filter, and of "Find secrets" in the user guide.
func TestSecretsAreListedByFilters(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	for _, s := range []secretsmanager.CreateSecretInput{
		{Name: aws.String("mautic/prod"), Description: aws.String("Production of Mautic"), Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("marketing")}}},
		{Name: aws.String("mautic/staging"), Description: aws.String("credsDatabase892")},
		{Name: aws.String("Mautic"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("Marketing")}}},
		{Name: aws.String("rds!cluster")},
	} {
		if _, err := f.Secrets.CreateSecret(f.Ctx, &s); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SecretsManager.SetOwningService("rds!cluster", "rds"); err != nil {
		t.Fatal(err)
	}
	if err := f.SecretsManager.SetReplication("mautic/staging", "us-east-1", "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	is := func(key string, values ...string) types.Filter {
		return types.Filter{Key: types.FilterNameStringType(key), Values: values}
	}
	for name, c := range map[string]struct {
		filters []types.Filter
		want    string
	}{
		"the beginning of a name, case-sensitive":             {[]types.Filter{is("name", "mautic/")}, "mautic/prod mautic/staging"},
		"not the middle of a name":                            {[]types.Filter{is("name", "prod")}, ""},
		"one of several values":                               {[]types.Filter{is("name", "Mau", "rds")}, "Mautic rds!cluster"},
		"without those of a beginning":                        {[]types.Filter{is("name", "!mautic")}, "Mautic rds!cluster"},
		"all filters":                                         {[]types.Filter{is("name", "mautic"), is("description", "prod")}, "mautic/prod"},
		"the beginning of a description, not case-sensitive":  {[]types.Filter{is("description", "production OF")}, "mautic/prod"},
		"a tag's key, case-sensitive":                         {[]types.Filter{is("tag-key", "Te")}, "mautic/prod"},
		"a tag's value, case-sensitive":                       {[]types.Filter{is("tag-value", "Mark")}, "Mautic"},
		"no tag":                                              {[]types.Filter{is("tag-key", "!Te", "!te")}, "Mautic mautic/prod mautic/staging rds!cluster"},
		"without a tag":                                       {[]types.Filter{is("tag-key", "!Te"), is("tag-key", "!te")}, "mautic/staging rds!cluster"},
		"the service that owns it":                            {[]types.Filter{is("owning-service", "rds")}, "rds!cluster"},
		"no service that owns it":                             {[]types.Filter{is("owning-service", "!rds")}, "Mautic mautic/prod mautic/staging"},
		"the primary region":                                  {[]types.Filter{is("primary-region", "us-")}, "mautic/staging"},
		"words of any attribute, not case-sensitive":          {[]types.Filter{is("all", "MARKETING")}, "Mautic mautic/prod"},
		"one of the words that a text consists of is enough":  {[]types.Filter{is("all", "Database_nothing")}, "mautic/staging"},
		"words are told apart by case, digits and characters": {[]types.Filter{is("all", "892")}, "mautic/staging"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := f.Secrets.ListSecrets(f.Ctx, &secretsmanager.ListSecretsInput{Filters: c.filters})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range out.SecretList {
				names = append(names, *s.Name)
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		filter        types.Filter
		code, message string
	}{
		"an unknown key": {is("arn", "x"), "ValidationException", "filters.1.member.key"},
		"no key":         {is("", "x"), "InvalidParameterException", "Invalid filter key"},
		"no value":       {is("name"), "InvalidParameterException", "Invalid filter values for key: name"},
		"eleven values":  {is("name", strings.Split("a b c d e f g h i j k", " ")...), "ValidationException", "less than or equal to 10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.Secrets.ListSecrets(f.Ctx, &secretsmanager.ListSecretsInput{Filters: []types.Filter{c.filter}})
			localtest.WantError(t, err, c.code, c.message)
		})
	}
}
