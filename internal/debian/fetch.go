package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"mautic-rotation/internal/cache"
)

// archs maps a Go architecture to the name of Debian's library directory for it, and of the loader therein.
var archs = map[string]struct{ libraries, loader string }{
	"amd64": {"x86_64-linux-gnu", "ld-linux-x86-64.so.2"},
	"arm64": {"aarch64-linux-gnu", "ld-linux-aarch64.so.1"},
}

// A Wish is a package of the archive, and what else is wanted with it.
type Wish struct {
	Suite   string // of Debian: one that is released, where one has the version, as its packages stay
	Package string
	// Choose picks one of the versions that the suite has; its error says what was looked for.
	Choose func(versions []string) (string, error)
	// DirPackage is another package, of the same version, of which one directory, Dir, is wanted; empty: none is.
	DirPackage, Dir string
	// Size is what is downloaded at most, in words.
	Size string
}

// Runs fails where Debian's programs do not run.
func Runs() error {
	if _, ok := archs[runtime.GOARCH]; !ok || runtime.GOOS != "linux" {
		return fmt.Errorf("its programs do not run on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// Fetch downloads a package with all that it depends on, and unpacks it all into root.
func Fetch(ctx context.Context, root string, w Wish, progress func(string)) error {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		_, err := exec.LookPath(tool)
		if err != nil {
			return fmt.Errorf("no %s on this machine", tool)
		}
	}

	// Within root, so that what a killed process leaves is removed together.
	work := filepath.Join(root, "apt")
	defer os.RemoveAll(work)
	a, err := NewApt(work)
	if err != nil {
		return err
	}
	mirror, err := a.Mirror(ctx)
	if err != nil {
		return err
	}
	err = a.Use(ctx, mirror, w.Suite)
	if err != nil {
		return err
	}
	// Before anything large is downloaded: a suite may have moved on.
	version, err := a.Choose(ctx, w)
	if err != nil {
		return err
	}
	progress(fmt.Sprintf("Fetching %s %s from Debian %s, once (up to %s).", w.Package, version, w.Suite, w.Size))
	err = a.Unpack(ctx, w.Package, version, root)
	if err != nil || w.DirPackage == "" {
		return err
	}
	return a.UnpackDir(ctx, w.DirPackage, version, w.Dir, root)
}

// Choose returns the version of a wish that the source has.
func (a *Apt) Choose(ctx context.Context, w Wish) (string, error) {
	versions, err := a.Versions(ctx, w.Package)
	if err != nil {
		return "", err
	}
	return w.Choose(versions)
}

// Cached returns the directory of the cache in which a package, with all that it depends on, is unpacked. It is fetched the
// first time. The directory's name begins with name, which has to say what Choose picks.
func Cached(ctx context.Context, name string, w Wish, progress func(string)) (root string, err error) {
	err = Runs()
	if err != nil {
		return "", err
	}
	base, err := cache.Dir()
	if err != nil {
		return "", err
	}
	root = filepath.Join(base, fmt.Sprintf("%s-debian-%s-%s", name, w.Suite, runtime.GOARCH))
	return root, cache.Once(ctx, root, func(unfinished string) error {
		return Fetch(ctx, unfinished, w, progress)
	})
}

// Release chooses a version of a release, such as "8.2", for a Wish. Its error calls the program by what, such as "PHP".
func Release(what, release string) func(versions []string) (string, error) {
	return func(versions []string) (string, error) {
		at := slices.IndexFunc(versions, func(version string) bool { return strings.HasPrefix(Upstream(version), release+".") })
		if at < 0 {
			return "", fmt.Errorf("no %s %s among Debian's versions %q", what, release, versions)
		}
		return versions[at], nil
	}
}

// Command returns the words that run a program whose packages are unpacked in root, such as "usr/sbin/mysqld". It may need
// other libraries than the machine's release has, so it is run with all its libraries by its own dynamic loader, which takes
// neither root nor a chroot.
func Command(root, program string) []string {
	arch := archs[runtime.GOARCH]
	libraries := []string{filepath.Join(root, "usr/lib", arch.libraries)}
	// Up to bookworm the C library's package, and some others, put their files where /lib was before it became a link to /usr/lib.
	if old := filepath.Join(root, "lib", arch.libraries); cache.Exists(old) {
		libraries = append([]string{old}, libraries...)
	}
	return []string{
		filepath.Join(libraries[0], arch.loader), // which is of the C library
		"--inhibit-cache",                        // the cache of the machine's own libraries
		"--library-path", strings.Join(libraries, ":"),
		filepath.Join(root, program),
	}
}

// Upstream returns the version that a Debian package's version is of: without the epoch, which stands before a colon.
func Upstream(version string) string {
	_, after, found := strings.Cut(version, ":")
	if found {
		return after
	}
	return version
}
