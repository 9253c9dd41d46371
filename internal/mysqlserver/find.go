package mysqlserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"mautic-rotation/internal/cache"
)

// An installation is a server program that can be run.
type installation struct {
	how     recipe
	origin  string // see Server.Origin
	version string // the whole line that --version prints

	program []string // the program, after what it takes to run it
	files   []string // the arguments that say where its own files are; none for one installed where it was built for
	share   string   // the directory with its messages, character sets and SQL scripts

	engine string // the container engine that runs it; everything above but how and origin is then empty
}

// FromVariable is the environment variable that asks for installed servers.
const FromVariable = "MYSQLSERVER"

// find finds a server of a series: fetched from the Debian archive, now or earlier, or in a container. What is on PATH differs
// between machines, and with it what tests say, so it is taken on request, or when nothing else can be had.
func find(ctx context.Context, how recipe, progress func(string)) (*installation, error) {
	onlyOnPath := func() (*installation, error) { return onPath(ctx, how) }
	switch from := os.Getenv(FromVariable); from {
	case "":
	case "path":
		in, err := onlyOnPath()
		if !errors.Is(err, errNotThere) {
			return in, err
		}
	default:
		return nil, fmt.Errorf("%s is %q: set it to path, to run the servers on PATH, whatever their versions, or leave it empty, to run the pinned ones", FromVariable, from)
	}

	sources := []struct {
		name string
		look func() (*installation, error)
	}{
		{"the Debian archive", func() (*installation, error) { return fromDebian(ctx, how, progress) }},
		{"a container", func() (*installation, error) { return inContainer(ctx, how) }},
		{"PATH", onlyOnPath},
	}
	var tried []string
	for _, source := range sources {
		in, err := source.look()
		if err == nil {
			if source.name == "PATH" {
				warnOfPath(how, in, tried)
			}
			return in, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		tried = append(tried, fmt.Sprintf("%s: %v", source.name, err))
	}

	return nil, fmt.Errorf("%w: looked for %s in %s. %s", ErrUnavailable, how.name, strings.Join(tried, "; "), how.remedy())
}

// remedy says what to do when there is no server.
func (how recipe) remedy() string {
	return fmt.Sprintf("Do one of these: start Docker or Podman; install %s %s or later so that %s is on PATH, whose version the tests then follow; "+
		"or, if Debian has no %s any more, name a series that it has in internal/mysqlserver/series.go",
		how.series.Make(), how.least, how.daemon, how.name)
}

// warned holds the series of which warnOfPath has warned.
var warned sync.Map

// warnOfPath says, once for each series, that another server than the pinned one is in use.
func warnOfPath(how recipe, in *installation, tried []string) {
	if _, already := warned.LoadOrStore(how.series, true); already {
		return
	}
	fmt.Fprintf(os.Stderr, "WARNING: %s could not be fetched, so %s is used in its place. What follows is about that version. Looked in %s.\n",
		how.name, in.origin, strings.Join(tried, "; "))
}

// systemDir is where Debian installs servers, which is on root's PATH but not on everyone's. A variable for tests.
var systemDir = "/usr/sbin"

// errNotThere says that there is no server of the make on PATH.
var errNotThere = errors.New("not there")

// onPath finds an installed server of the make, whatever its series.
func onPath(ctx context.Context, how recipe) (*installation, error) {
	path, err := exec.LookPath(how.daemon)
	if err != nil {
		path, err = exec.LookPath(filepath.Join(systemDir, how.daemon))
	}
	if err != nil {
		return nil, fmt.Errorf("%s is %w", how.daemon, errNotThere)
	}

	line, err := versionLine(ctx, path)
	if err != nil {
		return nil, err
	}
	v, err := how.accepts(line)
	if err != nil {
		return nil, fmt.Errorf("%s is %w", path, err)
	}
	// Its scripts are found relative to where it really is: package managers link to it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	return &installation{
		how:     how,
		origin:  fmt.Sprintf("%s %s on PATH (%s)", how.daemon, v, path),
		version: line,
		program: []string{path},
		share:   sharedDir(filepath.Join(filepath.Dir(filepath.Dir(real)), "share")),
	}, nil
}

// sharedDir returns the directory in share with a server's messages, character sets and scripts. Its name differs between
// makes, versions and packagers.
func sharedDir(share string) string {
	for _, name := range []string{"mysql", "mariadb"} {
		dir := filepath.Join(share, name)
		if cache.Exists(filepath.Join(dir, "charsets")) {
			return dir
		}
	}
	return share
}

// versions holds what the programs have answered that versionLine has asked in this process. To ask takes a seventh of the processor
// time of MariaDB's start.
var versions sync.Map

// versionLine asks a server program which version it is, once in a process.
func versionLine(ctx context.Context, program ...string) (string, error) {
	key := strings.Join(program, "\x00")
	if line, known := versions.Load(key); known {
		return line.(string), nil
	}
	args := slices.Concat(program[1:], []string{"--no-defaults", "--version"})
	out, err := exec.CommandContext(ctx, program[0], args...).CombinedOutput()
	line := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("running %s --version: %w: %s", program[0], err, line)
	}
	versions.Store(key, line)
	return line, nil
}

// versionPattern finds the version in what --version prints, such as
//
//	/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))
//	mariadbd  Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64 (-- Please help get to 10k stars ...)
var versionPattern = regexp.MustCompile(`Ver (\d+\.\d+\.\d+\S*)`)

// accepts returns the version that a --version line names, if such a server can serve here: one of the make with dual passwords.
func (how recipe) accepts(line string) (string, error) {
	match := versionPattern.FindStringSubmatch(line)
	if match == nil {
		return "", fmt.Errorf("of an unknown version: %q", line)
	}
	version := match[1]
	if mariadb := strings.Contains(line, "MariaDB"); mariadb != how.series.IsMariaDB() {
		return "", fmt.Errorf("%s %s: %s is %w", makeOf(mariadb), version, how.series.Make(), errNotThere)
	}
	if slices.Compare(releaseOf(version), how.least) < 0 {
		return "", fmt.Errorf("version %s, older than %s, the first with dual passwords", version, how.least)
	}
	return version, nil
}

// isPinned is accepts, and wants the version to be of the series too.
func (how recipe) isPinned(line string) (string, error) {
	version, err := how.accepts(line)
	if err == nil && !how.of.has(releaseOf(version)) {
		err = fmt.Errorf("version %s, not of the %s series", version, how.of)
	}
	return version, err
}
