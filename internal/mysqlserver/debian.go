package mysqlserver

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"mautic-rotation/internal/cache"
	"mautic-rotation/internal/debian"
)

// pluginDir is where Debian's packages keep a server's plugins, on every architecture.
const pluginDir = "usr/lib/mysql/plugin"

// fromDebian returns the server that was fetched from the Debian archive into the cache, and fetches it if need be.
func fromDebian(ctx context.Context, how recipe, progress func(string)) (*installation, error) {
	err := debian.Runs()
	if err != nil {
		return nil, err
	}
	base, err := cache.Dir()
	if err != nil {
		return nil, err
	}
	// By all that decides what is in it, so that a copy of something else is not used.
	name := fmt.Sprintf("%s-debian-%s-%s", how.series, how.suite, runtime.GOARCH)
	if how.pluginPackage != "" {
		name += "-plugins"
	}
	root := filepath.Join(base, name)
	err = cache.Once(ctx, root, func(unfinished string) error {
		err := debian.Fetch(ctx, unfinished, how.wish(), progress)
		if err == nil {
			_, err = unpacked(ctx, how, unfinished)
		}
		return err
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

// wish is what of Debian the recipe takes.
func (how recipe) wish() debian.Wish {
	return debian.Wish{Suite: how.suite, Package: how.debianPackage, Choose: how.choose, DirPackage: how.pluginPackage, Dir: pluginDir, Size: "80 MB"}
}

// choose returns the version of the pinned series.
func (how recipe) choose(versions []string) (string, error) {
	at := slices.IndexFunc(versions, func(version string) bool { return how.of.has(releaseOf(debian.Upstream(version))) })
	if at < 0 {
		return "", fmt.Errorf("no %s of the %s series in Debian %s, which has %q", how.debianPackage, how.of, how.suite, versions)
	}
	return versions[at], nil
}

// unpacked returns the server whose packages are unpacked in root.
func unpacked(ctx context.Context, how recipe, root string) (*installation, error) {
	program := debian.Command(root, filepath.Join("usr/sbin", how.daemon))
	line, err := versionLine(ctx, program...)
	if err != nil {
		return nil, err
	}
	version, err := how.isPinned(line)
	if err != nil {
		return nil, fmt.Errorf("the copy in %s is %w", root, err)
	}
	usr := filepath.Join(root, "usr")
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
