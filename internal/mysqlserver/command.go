package mysqlserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"mautic-rotation/internal/mysqlserver/loopbacktls"
)

// run prepares a command that runs the server program.
func (in *installation) run(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, in.program[0], slices.Concat(in.program[1:], args)...)
}

// serve prepares everything in a new server's directory, and the process that is to run there.
func (in *installation) serve(ctx context.Context, s *Server, o Options) (*process, error) {
	if in.engine != "" {
		return in.serveInContainer(s, o)
	}

	template, err := in.template(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	err = copyDir(template, s.dir.data())
	if err != nil {
		return nil, fmt.Errorf("copying %s: %w", template, err)
	}
	err = os.WriteFile(s.dir.initFile(), []byte(initSQL(s.rootPassword)), 0o600)
	if err != nil {
		return nil, err
	}

	args := slices.Concat(in.localArgs(), serverArgs(s.dir.tls()), []string{
		"--datadir=" + s.dir.data(),
		"--tmpdir=" + s.dir.temp(),
		"--socket=" + s.dir.socket(),
		"--pid-file=" + s.dir.pid(),
		"--init-file=" + s.dir.initFile(),
		"--bind-address=" + s.Host(),
		fmt.Sprintf("--port=%d", s.port),
	}, o.Args)
	// ctx ends with the start, the server does not.
	return &process{cmd: in.run(context.WithoutCancel(ctx), args...)}, nil
}

// initSQL runs before the server accepts connections, so there is no moment at which root has no password. A new data directory
// knows root only at localhost, which to a server that resolves no names means the socket.
func initSQL(rootPassword string) string {
	return "ALTER USER 'root'@'localhost' IDENTIFIED BY '" + rootPassword + "';\n" +
		"RENAME USER 'root'@'localhost' TO 'root'@'%';\n"
}

// localArgs are the arguments of every run of the program on this machine, initialisation included.
func (in *installation) localArgs() []string {
	args := slices.Concat([]string{"--no-defaults"}, in.files, in.how.args)
	if os.Geteuid() == 0 {
		// Servers refuse to run as root unless told to. Another user could not enter root's cache and temporary directories, and
		// would protect little here: the server listens on loopback, has a random root password, and may read and write no files.
		args = append(args, "--user=root")
	}
	return args
}

// initArgs are those of the run that initialises a data directory.
func (in *installation) initArgs() []string {
	if in.how.series.IsMariaDB() {
		return append(in.localArgs(), "--bootstrap")
	}
	return append(in.localArgs(), "--initialize-insecure")
}

// mysqlArgs and mariadbArgs make a server small and fast, and not durable. Those that not every version knows are marked "loose".
var (
	mysqlArgs = []string{
		"--skip-log-bin",
		"--innodb-flush-method=nosync",
		"--innodb-doublewrite=OFF",
		"--innodb-buffer-pool-size=16M",
		"--innodb-log-buffer-size=1M",
		"--loose-innodb-redo-log-capacity=8M",
		"--table-open-cache=64",
		"--table-definition-cache=400",

		// Of the performance schema, whose tables tell who is connected and what the error log says, all but what takes memory,
		// and time at each start and login: 400 MB come down to 200. It does not measure, but a thread's state is its stage.
		"--performance-schema=ON",
		"--performance-schema-max-memory-classes=0",
		"--performance-schema-max-statement-classes=0",
		"--performance-schema-max-mutex-classes=0",
		"--performance-schema-max-rwlock-classes=0",
		"--performance-schema-max-cond-classes=0",
		"--performance-schema-max-file-classes=0",
		"--performance-schema-max-socket-classes=0",
		"--performance-schema-error-size=0",
		"--performance-schema-digests-size=0",
		"--performance-schema-events-statements-history-long-size=0",

		// A table in a file of its own takes twice the time to make and to drop.
		"--innodb-file-per-table=OFF",

		"--loose-auto-generate-certs=OFF",
		"--mysqlx=OFF",
		"--secure-file-priv=NULL",
	}
	mariadbArgs = []string{
		"--skip-log-bin",
		"--innodb-flush-method=nosync",
		"--innodb-doublewrite=OFF",
		"--innodb-buffer-pool-size=16M",
		"--innodb-log-file-size=8M",
		"--aria-pagecache-buffer-size=1M",
		"--key-buffer-size=1M",
		"--table-open-cache=64",
	}
)

// serverArgs are the arguments of a running server: what it demands of clients, with its certificate in tlsDir.
func serverArgs(tlsDir string) []string {
	return []string{
		"--require-secure-transport=ON",
		"--ssl-ca=" + filepath.Join(tlsDir, loopbacktls.CAFile),
		"--ssl-cert=" + filepath.Join(tlsDir, loopbacktls.CertFile),
		"--ssl-key=" + filepath.Join(tlsDir, loopbacktls.KeyFile),
		// Tests make hundreds of logins at once, and must not depend on a resolver.
		"--max-connections=400",
		"--thread-cache-size=100", // else every fifth of these logins has a thread made for it
		"--skip-name-resolve",
	}
}
