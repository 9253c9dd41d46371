package mysqlserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// pluginDir is where Debian's packages keep a server's plugins, on every architecture.
const pluginDir = "usr/lib/mysql/plugin"

// debianArchs maps a Go architecture to the name of Debian's library directory for it, and of the loader therein.
var debianArchs = map[string]struct{ libraries, loader string }{
	"amd64": {"x86_64-linux-gnu", "ld-linux-x86-64.so.2"},
	"arm64": {"aarch64-linux-gnu", "ld-linux-aarch64.so.1"},
}

// fromDebian returns the server that was fetched from the Debian archive into the cache, and fetches it if need be.
func fromDebian(ctx context.Context, how recipe, progress func(string)) (*installation, error) {
	if _, ok := debianArchs[runtime.GOARCH]; !ok || runtime.GOOS != "linux" {
		return nil, fmt.Errorf("its programs do not run on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	// By all that decides what is in it, so that a copy of something else is not used.
	name := fmt.Sprintf("%s-debian-%s-%s", how.series, how.suite, runtime.GOARCH)
	if how.pluginPackage != "" {
		name += "-plugins"
	}
	root := filepath.Join(cache, name)
	err = once(ctx, root, func(unfinished string) error {
		return fetchFromDebian(ctx, how, unfinished, progress)
	})
	if err != nil {
		return nil, err
	}
	in, err := unpacked(ctx, how, root)
	if err != nil {
		return nil, fmt.Errorf("%w: remove %s to have it fetched again", err, root)
	}
	return in, nil
}

// unpacked returns the server whose packages are unpacked in root. They may need other libraries than the machine's release has,
// so the server is run with all its libraries by its own dynamic loader, which takes neither root nor a chroot.
func unpacked(ctx context.Context, how recipe, root string) (*installation, error) {
	arch := debianArchs[runtime.GOARCH]
	usr := filepath.Join(root, "usr")
	libraries := []string{filepath.Join(usr, "lib", arch.libraries)}
	// Up to bookworm the C library's package, and some others, put their files where /lib was before it became a link to /usr/lib.
	if old := filepath.Join(root, "lib", arch.libraries); exists(old) {
		libraries = append([]string{old}, libraries...)
	}
	program := []string{
		filepath.Join(libraries[0], arch.loader), // which is of the C library
		"--inhibit-cache",                        // the cache of the machine's own libraries
		"--library-path", strings.Join(libraries, ":"),
		filepath.Join(usr, "sbin", how.daemon),
	}
	line, err := versionLine(ctx, program...)
	if err != nil {
		return nil, err
	}
	version, err := how.isPinned(line)
	if err != nil {
		return nil, fmt.Errorf("the copy in %s is %w", root, err)
	}
	share := sharedDir(filepath.Join(usr, "share"))
	return &installation{
		how:     how,
		origin:  fmt.Sprintf("%s %s from Debian %s, cached in %s", how.daemon, version, how.suite, root),
		version: line,
		program: program,
		share:   share,
		files: []string{
			"--basedir=" + usr,
			"--plugin-dir=" + filepath.Join(root, pluginDir),
			"--lc-messages-dir=" + share,
			"--character-sets-dir=" + filepath.Join(share, "charsets"),
		},
	}, nil
}

// fetchFromDebian downloads a server's package of the pinned series with all that it depends on, and unpacks
// it all into root, with the server's plugins.
func fetchFromDebian(ctx context.Context, how recipe, root string, progress func(string)) error {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		_, err := exec.LookPath(tool)
		if err != nil {
			return fmt.Errorf("no %s on this machine", tool)
		}
	}

	// Within root, so that what a killed process leaves is removed together.
	work := filepath.Join(root, "apt")
	defer os.RemoveAll(work)
	a, err := newApt(work)
	if err != nil {
		return err
	}
	mirror, err := a.debianMirror(ctx)
	if err != nil {
		return err
	}
	err = a.use(ctx, mirror, how.suite)
	if err != nil {
		return err
	}
	// Before anything large is downloaded: a suite may have moved on.
	version, err := a.pinnedVersion(ctx, how)
	if err != nil {
		return err
	}
	progress(fmt.Sprintf("Fetching %s %s from Debian %s, once (up to 80 MB).", how.debianPackage, version, how.suite))
	err = a.unpack(ctx, how.debianPackage, version, root)
	if err != nil {
		return err
	}
	if how.pluginPackage != "" {
		err = a.unpackDir(ctx, how.pluginPackage, version, pluginDir, root)
		if err != nil {
			return err
		}
	}
	_, err = unpacked(ctx, how, root)
	return err
}

// pinnedVersion returns the version of the pinned series that the source has.
func (a *apt) pinnedVersion(ctx context.Context, how recipe) (string, error) {
	versions, err := a.versions(ctx, how.debianPackage)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(versions, func(version string) bool { return how.of.has(releaseOf(upstream(version))) })
	if at < 0 {
		return "", fmt.Errorf("no %s of the %s series in Debian %s, which has %q", how.debianPackage, how.of, how.suite, versions)
	}
	return versions[at], nil
}

// upstream returns the version that a Debian package's version is of: without the epoch, which stands before a colon.
func upstream(version string) string {
	_, after, found := strings.Cut(version, ":")
	if found {
		return after
	}
	return version
}
