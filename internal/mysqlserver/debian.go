package mysqlserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Debian's suites to fetch from. Their packages need other libraries than the machine's release has, so they are not installed: a
// server is unpacked together with all its libraries and run by its own dynamic loader, which takes neither root nor a chroot.
const (
	// Debian's releases have MariaDB only; MySQL is in sid, which is never released and so follows MySQL's own releases. The newest
	// MariaDB is there too.
	sidSuite = "sid"

	// Bookworm, which is Debian 12, has MariaDB 10.11: the oldest MariaDB with long support that RDS has, and the one that Mautic's
	// users mostly run.
	bookwormSuite = "bookworm"
)

// pluginDir is where Debian's packages keep a server's plugins, on every architecture.
const pluginDir = "usr/lib/mysql/plugin"

// debianArchs maps a Go architecture to the name of Debian's library directory for it, and of the loader therein.
var debianArchs = map[string]struct{ libraries, loader string }{
	"amd64": {"x86_64-linux-gnu", "ld-linux-x86-64.so.2"},
	"arm64": {"aarch64-linux-gnu", "ld-linux-aarch64.so.1"},
}

// fromDebian returns the server that was fetched from the Debian archive into the cache, and fetches it if need be.
func fromDebian(ctx context.Context, flavor Flavor, progress func(string)) (*installation, error) {
	arch, ok := debianArchs[runtime.GOARCH]
	if !ok || runtime.GOOS != "linux" {
		return nil, fmt.Errorf("its programs do not run on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	how := recipes[flavor]
	name := fmt.Sprintf("%s-debian-%s", flavor, runtime.GOARCH)
	if how.pluginPackage != "" {
		// Copies of the plain name are from before plugins were fetched, and are of no use here.
		name += "-plugins"
	}
	root := filepath.Join(cache, name)
	err = once(ctx, root, func(unfinished string) error {
		return fetchFromDebian(ctx, how, unfinished, progress)
	})
	if err != nil {
		return nil, err
	}

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
		return nil, fmt.Errorf("%w: remove %s to have it fetched again", err, root)
	}
	version, err := suitable(flavor, line)
	if err != nil {
		return nil, fmt.Errorf("the copy in %s is %w", root, err)
	}
	share := sharedDir(filepath.Join(usr, "share"))
	return &installation{
		flavor:  flavor,
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

// fetchFromDebian downloads a server's package with all that it depends on, and unpacks it all into root, with the server's plugins.
func fetchFromDebian(ctx context.Context, how recipe, root string, progress func(string)) error {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		_, err := exec.LookPath(tool)
		if err != nil {
			return fmt.Errorf("no %s on this machine", tool)
		}
	}
	progress(fmt.Sprintf("Fetching %s from Debian %s, once (up to 80 MB).", how.debianPackage, how.suite))

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
	err = a.unpack(ctx, how.debianPackage, root)
	if err != nil || how.pluginPackage == "" {
		return err
	}
	return a.unpackDir(ctx, how.pluginPackage, pluginDir, root)
}
