package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/coverage"
	"strconv"
	"strings"
)

// rows reports which rows of plan.Decide were reached, that is, which blocks of its files, if
// the program was built with -cover -coverpkg. missed is how many were not reached; 0 if
// they were not counted. Table tests cover what else package plan decides, for the steps.
func rows() (told string, missed int, err error) {
	dir, err := os.MkdirTemp("", "explore-rows-")
	if err != nil {
		return "", 0, err
	}
	defer os.RemoveAll(dir)
	if err := coverage.WriteMetaDir(dir); err != nil {
		return "rows of decide reached: not measured (" + err.Error() + "); make explore does", 0, nil
	}
	if err := coverage.WriteCountersDir(dir); err != nil {
		return "", 0, err
	}
	profile := filepath.Join(dir, "profile")
	if out, err := exec.Command("go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+profile).CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("go tool covdata: %w: %s", err, out)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return "", 0, err
	}
	return inWords(text)
}

// block matches a line of a coverage profile for one of Decide's files:
// file:line.column,line.column statements count.
var block = regexp.MustCompile(`^[^/]+/(rotation/plan/(?:decide|observation|old|rollout|wanted)\.go):(\d+)\.\d+,(\d+)\.\d+ (\d+) (\d+)$`)

func inWords(profile []byte) (told string, missed int, err error) {
	var lines []string
	all := 0
	for line := range bytes.Lines(profile) {
		match := block.FindStringSubmatch(strings.TrimSpace(string(line)))
		if match == nil || match[4] == "0" {
			continue
		}
		if all++; match[5] != "0" {
			continue
		}
		first, err := strconv.Atoi(match[2])
		if err != nil {
			return "", 0, err
		}
		lines = append(lines, fmt.Sprintf("  not reached: %s:%d: %s", match[1], first, source(match[1], first)))
	}
	return strings.Join(append([]string{fmt.Sprintf("rows of decide reached: %d of %d", all-len(lines), all)}, lines...), "\n"), len(lines), nil
}

// source is a line of a file, if the program runs in the module's directory.
func source(file string, line int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	return strings.TrimSpace(lines[line-1])
}
