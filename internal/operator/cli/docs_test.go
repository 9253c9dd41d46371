package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// inDocs is a command of this program in a page: in a line of text, or alone in one of a block.
var inDocs = regexp.MustCompile("(?m)`mautic-rotation ([^`\n]*)`|^ *(?:\\$ )?(?:build/)?mautic-rotation ([a-z-]+( .*)?)$")

func TestEveryCommandInTheDocsIsOneOfThisProgram(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, page := range append(pages, "../../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inDocs.FindAllStringSubmatch(string(text), -1) {
			command := m[1] + m[2]
			args := strings.Fields(strings.NewReplacer("<label or version>", "AWSCURRENT", "<shell>", "bash").Replace(command))
			if len(args) == 0 {
				continue
			}
			seen[args[0]] = true
			var g grammar
			k, err := kong.New(&g, kong.Exit(func(int) { panic("it ends the program") }))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := k.Parse(args); err != nil {
				t.Errorf("%s has mautic-rotation %s: %v", filepath.Base(page), command, err)
			}
		}
	}
	for _, command := range []string{"status", "preflight", "verify", "rotate", "release", "abandon", "roll-back", "pause", "resume", "history", "logs", "explain", "reconcile"} {
		if !seen[command] {
			t.Errorf("no page has mautic-rotation %s", command)
		}
	}
}
