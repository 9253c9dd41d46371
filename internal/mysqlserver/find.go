package mysqlserver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An installation is a server program that can be run.
type installation struct {
	flavor  Flavor
	origin  string // see Server.Origin
	version string // the whole line that --version prints

	program []string // the program, after what it takes to run it
	files   []string // the arguments that say where its own files are; none for one installed where it was built for
	share   string   // the directory with its messages, character sets and SQL scripts

	engine string // the container engine that runs it; everything above but flavor and origin is then empty
}

// find finds a server of a flavor: on PATH, or fetched from the Debian archive, now or earlier, or in a container.
func find(ctx context.Context, flavor Flavor, progress func(string)) (*installation, error) {
	sources := []struct {
		name string
		look func() (*installation, error)
	}{
		{"PATH", func() (*installation, error) { return onPath(ctx, flavor) }},
		{"the Debian archive", func() (*installation, error) { return fromDebian(ctx, flavor, progress) }},
		{"a container", func() (*installation, error) { return inContainer(ctx, flavor) }},
	}
	var tried []string
	for _, source := range sources {
		in, err := source.look()
		if err == nil {
			return in, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		tried = append(tried, fmt.Sprintf("%s: %v", source.name, err))
	}

	return nil, fmt.Errorf("%w: install %s so that %s is on PATH, or start Docker or Podman; looked in %s",
		ErrUnavailable, flavor.Name(), recipes[flavor].daemon, strings.Join(tried, "; "))
}

// onPath finds an installed server.
func onPath(ctx context.Context, flavor Flavor) (*installation, error) {
	name := recipes[flavor].daemon
	path, err := exec.LookPath(name)
	if err != nil {
		// Debian installs it here, which is on root's PATH but not on everyone's.
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	if err != nil {
		return nil, fmt.Errorf("no %s there", name)
	}

	line, err := versionLine(ctx, path)
	if err != nil {
		return nil, err
	}
	v, err := suitable(flavor, line)
	if err != nil {
		return nil, fmt.Errorf("%s is %w", path, err)
	}
	// Its scripts are found relative to where it really is: package managers link to it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	return &installation{
		flavor:  flavor,
		origin:  fmt.Sprintf("%s %s on PATH (%s)", name, v, path),
		version: line,
		program: []string{path},
		share:   sharedDir(filepath.Join(filepath.Dir(filepath.Dir(real)), "share")),
	}, nil
}

// sharedDir returns the directory in share with a server's messages, character sets and scripts. Its name differs between
// flavors, versions and packagers.
func sharedDir(share string) string {
	for _, name := range []string{"mysql", "mariadb"} {
		dir := filepath.Join(share, name)
		if exists(filepath.Join(dir, "charsets")) {
			return dir
		}
	}
	return share
}

// versionLine asks a server program which version it is.
func versionLine(ctx context.Context, program ...string) (string, error) {
	args := slices.Concat(program[1:], []string{"--no-defaults", "--version"})
	out, err := exec.CommandContext(ctx, program[0], args...).CombinedOutput()
	line := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("running %s --version: %w: %s", program[0], err, line)
	}
	return line, nil
}

// versionPattern finds the version in what --version prints, such as
//
//	/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))
//	mariadbd  Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64 (-- Please help get to 10k stars ...)
var versionPattern = regexp.MustCompile(`Ver ((\d+)\.(\d+)\.(\d+)\S*)`)

// suitable returns the version that a --version line names, if a server of that flavor and version can serve here.
func suitable(flavor Flavor, line string) (string, error) {
	match := versionPattern.FindStringSubmatch(line)
	if match == nil {
		return "", fmt.Errorf("of an unknown version: %q", line)
	}
	if mariadb := strings.Contains(line, "MariaDB"); mariadb != flavor.IsMariaDB() {
		other := map[bool]string{true: "MariaDB", false: "MySQL"}[mariadb]
		return "", fmt.Errorf("%s %s", other, match[1])
	}

	var got release
	for _, digits := range match[2:] {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return "", err
		}
		got = append(got, n)
	}
	how := recipes[flavor]
	if slices.Compare(got, how.least) < 0 {
		return "", fmt.Errorf("version %s, older than %s, the first with dual passwords", match[1], how.least)
	}
	if !slices.Equal(got[:len(how.series)], how.series) {
		return "", fmt.Errorf("version %s, not of the %s series", match[1], how.series)
	}
	return match[1], nil
}
