package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mostBytes is the size that the program may have.
const mostBytes = 16_000_000

func TestTheProgramStartsAndIsSmallEnoughToHandOn(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > mostBytes {
		t.Errorf("it has %d bytes, more than %d", info.Size(), mostBytes)
	}
	for flag, want := range map[string]string{"--help": "Usage: mautic-rotation <command>", "--version": "mautic-rotation "} {
		if out, err := exec.Command(file, flag).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}

// What the function may have of AWS: what it calls, and what finds its credentials.
var functionClients = []string{"ecs", "iam", "rds", "secretsmanager", "signin", "sso", "ssooidc", "sts"}

func TestTheFunctionHasNothingOfTheProgram(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags=lambda.norpc", "mautic-rotation/lambda").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("it has %d packages", len(deps))
	}
	const service = "github.com/aws/aws-sdk-go-v2/service/"
	for _, dep := range deps {
		client, isClient := strings.CutPrefix(dep, service)
		client, _, _ = strings.Cut(client, "/")
		switch {
		case isClient && client != "internal" && !slices.Contains(functionClients, client):
			t.Errorf("the function has the client %s", dep)
		case strings.Contains(dep, "alecthomas/"), strings.Contains(dep, "charmbracelet/"), strings.Contains(dep, "muesli/"), strings.Contains(dep, "creack/"),
			strings.HasPrefix(dep, "mautic-rotation/internal/operator"), strings.HasPrefix(dep, "mautic-rotation/cmd"):
			t.Errorf("the function has %s, which is for people at a terminal", dep)
		}
	}
}

func TestTheProgramReachesNothingThatTheFunctionRotates(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		name, ours := strings.CutPrefix(dep, "mautic-rotation/")
		if ours && !strings.HasPrefix(name, "internal/operator") && name != "cmd/mautic-rotation" && name != "rotation/report" && name != "rotation/ledger" {
			t.Errorf("it has %s", dep)
		}
	}
}
