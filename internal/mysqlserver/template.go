package mysqlserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mautic-rotation/internal/cache"
)

// template returns an initialised data directory to copy. Initialising one takes seconds, copying it a fraction of one, so one
// is kept for each version of a server.
func (in *installation) template(ctx context.Context, progress func(string)) (string, error) {
	base, err := cache.Dir()
	if err != nil {
		return "", err
	}
	args := in.initArgs()
	key := sha256.Sum256([]byte(in.version + "\n" + strings.Join(slices.Concat(args, in.firstStartArgs()), "\n")))
	dir := filepath.Join(base, fmt.Sprintf("%s-data-%x", in.how.series, key[:6]))
	err = cache.Once(ctx, dir, func(unfinished string) error {
		progress(fmt.Sprintf("Initialising a data directory for %s, once.", in.origin))
		return in.initialise(ctx, args, unfinished)
	})
	if err != nil {
		return "", fmt.Errorf("initialising a data directory: %w", err)
	}
	return dir, nil
}

// initialise makes a new server's data directory.
func (in *installation) initialise(ctx context.Context, args []string, dir string) error {
	// Not in the cache right away: an installed mysqld may be confined, as by Ubuntu's AppArmor profile, to its own directories and
	// the temporary one.
	work, err := newRunDir()
	if err != nil {
		return err
	}
	defer func() { _ = work.remove() }() // what is left there, the next start sweeps

	cmd := in.run(ctx, append(args, "--datadir="+work.data(), "--tmpdir="+work.temp())...)
	if in.how.series.IsMariaDB() {
		script, err := in.bootstrapScript()
		if err != nil {
			return err
		}
		cmd.Stdin = strings.NewReader(script)
		err = os.Mkdir(work.data(), 0o700)
		if err != nil {
			return err
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w:\n%s", err, out)
	}

	err = in.firstStart(ctx, work)
	if err != nil {
		return err
	}
	return copyDir(work.data(), dir)
}

// firstStartArgs are those of the start that firstStart makes, besides the paths. MariaDB makes none.
func (in *installation) firstStartArgs() []string {
	if in.how.series.IsMariaDB() {
		return nil
	}
	return append(in.localArgs(), "--skip-networking")
}

// firstStart starts a server in a new data directory, and ends it at once. A MySQL's first start writes its views once more, which
// takes it a fifth of the processor time of a start: no copy is to do that again.
func (in *installation) firstStart(ctx context.Context, work *runDir) error {
	args := in.firstStartArgs()
	if args == nil {
		return nil
	}
	err := os.WriteFile(work.initFile(), []byte("SHUTDOWN;\n"), 0o600)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	out, err := in.run(ctx, append(args,
		"--datadir="+work.data(), "--tmpdir="+work.temp(), "--socket="+work.socket(), "--pid-file="+work.pid(), "--init-file="+work.initFile(),
	)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("starting it for the first time: %w:\n%s", err, out)
	}
	return nil
}

// bootstrapScript returns the SQL that initialises a MariaDB server: what its own mariadb-install-db feeds it, which is a shell
// script that needs tools from other packages. Not included are the help texts and the sys schema.
func (in *installation) bootstrapScript() (string, error) {
	var script strings.Builder
	script.WriteString("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;\n")
	for _, name := range []string{"system_tables.sql", "performance_tables.sql", "system_tables_data.sql"} {
		text, err := os.ReadFile(filepath.Join(in.share, "mariadb_"+name))
		if err != nil {
			// As in MariaDB 10.11.
			text, err = os.ReadFile(filepath.Join(in.share, "mysql_"+name))
		}
		if err != nil {
			return "", fmt.Errorf("looking for MariaDB's scripts: %w", err)
		}
		script.Write(text)
		script.WriteString("\n")
	}
	// As initSQL expects. They make a root without a password for each of the machine's names.
	script.WriteString("DELETE FROM global_priv WHERE User = 'root' AND Host <> 'localhost';\n")
	return script.String(), nil
}

// copyDir copies the files and directories in src, and nothing else, into dst. Only their owner may read the copies.
func copyDir(src, dst string) error {
	return filepath.WalkDir(src, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, name)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case entry.Type().IsRegular():
			return copyFile(path, target)
		default:
			return nil // a socket
		}
	})
}

func copyFile(src, dst string) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// The kernel copies: io.Copy uses copy_file_range where there is one.
	_, err = io.Copy(to, from)
	if err != nil {
		to.Close()
		return err
	}
	return to.Close()
}
