// Command checkstack checks the values in samconfig.toml for the stack of an
// environment, before it is deployed:
//
//	go run ./cmd/checkstack prod
//
// It finds what the SAM CLI ignores silently (a parameter that the template does not
// have, a value that is cut off at its first space), sample values that nobody has
// replaced yet, and what CloudFormation or Secrets Manager would refuse in the middle of
// a deployment.
package main

import (
	"fmt"
	"os"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/samconfig"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: checkstack <environment>")
		os.Exit(2)
	}
	template, err := read("template.yaml")
	if err == nil {
		err = check(template, "samconfig.toml", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(templateFile string) (*cloudformation.Template, error) {
	text, err := os.ReadFile(templateFile)
	if err != nil {
		return nil, err
	}
	template, err := cloudformation.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", templateFile, err)
	}
	return template, nil
}

func check(template *cloudformation.Template, configFile, name string) error {
	environments, err := samconfig.Read(configFile)
	if err != nil {
		return err
	}
	environment, known := environments[name]
	if !known {
		return fmt.Errorf("%s has no section [%s.deploy.parameters]", configFile, name)
	}
	if err := environment.Check(template); err != nil {
		return fmt.Errorf("%s, %s:\n%w", configFile, name, err)
	}
	return nil
}
