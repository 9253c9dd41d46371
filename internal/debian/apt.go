// Package debian fetches programs from the Debian archive into a directory, with all their
// libraries, and runs them from there: nothing is installed, and it takes no root.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mautic-rotation/internal/cache"
)

// aptConfig makes apt work in a directory of its own (%[1]s), as any user. The machine's settings for proxies stay in force, and
// so does the verification of signatures.
const aptConfig = `
Dir::State "%[1]s";
Dir::State::lists "%[1]s/lists";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s";
Dir::Cache::archives "%[1]s/archives";

// When root runs it, apt would download as a user of its own, who may not enter this directory.
APT::Sandbox::User "root";

// A mirror may be a snapshot, whose Release file has expired; it is signed all the same.
Acquire::Check-Valid-Until "false";

// Only the list of packages is needed: no translations, no application metadata.
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Install-Recommends "false";

// The machine's hooks clean and index the system's directories, which are not in use here.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`

// aptSource, added to aptConfig, leaves one sources.list and no preferences.
const aptSource = `
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
`

// debianKeyring holds the keys that sign the Debian archive.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// An Apt downloads packages into a directory of its own, and leaves the system's alone.
type Apt struct {
	dir string
}

// NewApt prepares a directory for apt. It starts with the machine's own sources.
func NewApt(dir string) (*Apt, error) {
	// It quotes neither paths nor sources.
	if strings.ContainsAny(dir, " \"") {
		return nil, fmt.Errorf("apt cannot work in %q: set XDG_CACHE_HOME to a path without spaces", dir)
	}
	for _, name := range []string{"lists/partial", "archives/partial"} {
		err := os.MkdirAll(filepath.Join(dir, name), 0o700)
		if err != nil {
			return nil, err
		}
	}
	a := &Apt{dir: dir}
	// With an empty status file nothing counts as installed, so that every library is downloaded.
	err := a.write("status", "")
	if err != nil {
		return nil, err
	}
	err = a.write("apt.conf", fmt.Sprintf(aptConfig, dir))
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Apt) path(name string) string { return filepath.Join(a.dir, name) }

func (a *Apt) write(name, text string) error { return os.WriteFile(a.path(name), []byte(text), 0o600) }

// run runs apt-get in the directory and returns its output.
func (a *Apt) run(ctx context.Context, args ...string) (string, error) {
	return aptCommand(ctx, a.dir, "apt-get", a.options(args)...)
}

func (a *Apt) options(args []string) []string {
	return append([]string{"--config-file=" + a.path("apt.conf"), "--quiet=2"}, args...)
}

// aptCommand runs one of apt's programs in a directory and returns its output.
func aptCommand(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return string(out), nil
}

// Mirror returns the address of the Debian archive that the machine is set up to use.
func (a *Apt) Mirror(ctx context.Context) (string, error) {
	// The label tells the main archive from the security archive and from third parties' repositories.
	list := []string{"indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"}
	find := func(targets string) string {
		for line := range strings.Lines(targets) {
			uri, ok := strings.CutPrefix(strings.TrimSpace(line), "Debian ")
			if ok {
				return uri
			}
		}
		return ""
	}

	targets, err := aptCommand(ctx, a.dir, "apt-get", list...)
	if err != nil {
		return "", err
	}
	if mirror := find(targets); mirror != "" {
		return mirror, nil
	}

	// Labels come with the package lists, which container images leave out. Some repositories may fail to update: it is enough
	// if the archive does not.
	_, updateErr := a.run(ctx, "update")
	targets, err = a.run(ctx, list...)
	if err != nil {
		return "", err
	}
	if mirror := find(targets); mirror != "" {
		return mirror, nil
	}
	return "", errors.Join(errors.New("no Debian archive among apt's sources"), updateErr)
}

// Use leaves one source, a suite of a Debian mirror, and reads its package list.
func (a *Apt) Use(ctx context.Context, mirror, suite string) error {
	// Without the keyring apt tries all the keys that it trusts, which is how older systems are set up.
	options := ""
	if cache.Exists(debianKeyring) {
		options = "[signed-by=" + debianKeyring + "] "
	}
	err := a.write("sources.list", fmt.Sprintf("deb %s%s %s main\n", options, mirror, suite))
	if err != nil {
		return err
	}
	err = a.write("apt.conf", fmt.Sprintf(aptConfig+aptSource, a.dir))
	if err != nil {
		return err
	}
	_, err = a.run(ctx, "update")
	return err
}

// Versions returns the versions of a package that the source has.
func (a *Apt) Versions(ctx context.Context, name string) ([]string, error) {
	// A line for each: name | version | where it is.
	table, err := aptCommand(ctx, a.dir, "apt-cache", a.options([]string{"madison", name})...)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(table) {
		fields := strings.Split(line, "|")
		if len(fields) == 3 {
			all = append(all, strings.TrimSpace(fields[1]))
		}
	}
	return all, nil
}

// Unpack downloads a version of a package with all that it depends on, and unpacks them into a directory.
func (a *Apt) Unpack(ctx context.Context, name, version, root string) error {
	_, err := a.run(ctx, "--assume-yes", "--download-only", "install", name+"="+version)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(a.path("archives/*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		err := extract(ctx, file, root)
		if err != nil {
			return err
		}
	}
	return nil
}

// UnpackDir downloads a version of a package, without what it depends on, and moves one directory of it to the same place in root.
func (a *Apt) UnpackDir(ctx context.Context, name, version, dir, root string) error {
	// It downloads to the directory that it runs in.
	_, err := a.run(ctx, "download", name+"="+version)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(a.path(name + "_*.deb"))
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("apt-get download left %d packages %s in %s: run the same again, and see whether its disk is full", len(files), name, a.dir)
	}
	// Not into root right away, as the rest of the package may be large.
	whole := a.path("whole")
	err = extract(ctx, files[0], whole)
	if err != nil {
		return err
	}
	target := filepath.Join(root, dir)
	err = os.MkdirAll(filepath.Dir(target), 0o700)
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(whole, dir), target)
	if err != nil {
		return fmt.Errorf("taking %s from Debian's %s: %w: see which package has it now, and name that in the recipe", dir, name, err)
	}
	return nil
}

// extract unpacks a package's file into a directory.
func extract(ctx context.Context, file, dir string) error {
	out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", file, dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(file), err, out)
	}
	return nil
}
