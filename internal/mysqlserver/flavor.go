package mysqlserver

import (
	"strconv"
	"strings"
)

// A Flavor is a make of server, or one release series of it.
type Flavor string

// The flavors that Start knows.
const (
	MySQL       Flavor = "mysql"         // 8.0.14 or later, the first with dual passwords
	MariaDB     Flavor = "mariadb"       // 10.4 or later, mostly a new one
	MariaDB1011 Flavor = "mariadb-10.11" // a MariaDB of the 10.11 series and no other
)

// IsMariaDB tells whether servers of the flavor are MariaDB.
func (f Flavor) IsMariaDB() bool { return f == MariaDB || f == MariaDB1011 }

// Name returns what people call the flavor: "MySQL", "MariaDB", "MariaDB 10.11".
func (f Flavor) Name() string { return recipes[f].name }

// A release is the numbers of one, the most important first: 10, 11, 14.
type release []int

func (r release) String() string {
	numbers := make([]string, len(r))
	for i, n := range r {
		numbers[i] = strconv.Itoa(n)
	}
	return strings.Join(numbers, ".")
}

// A recipe says where to find a flavor's server, and how to run it.
type recipe struct {
	name   string
	daemon string  // the server program
	least  release // the oldest that can serve here
	series release // the beginning of the only versions that will do; empty: any will

	suite, debianPackage string // where in Debian it is; the package holds the server and little else
	pluginPackage        string // of the same suite, with the server's plugins among much else; empty: no plugins are fetched
	image                string // for where there is a container engine and no server: mostly on a Mac

	args []string // of every run
}

var recipes = map[Flavor]recipe{
	MySQL: {
		name: "MySQL", daemon: "mysqld", least: release{8, 0, 14},
		suite: sidSuite, debianPackage: "mysql-server-core", image: "mysql:8.4",
		args: mysqlArgs,
	},
	MariaDB: {
		name: "MariaDB", daemon: "mariadbd", least: release{10, 4, 0},
		suite: sidSuite, debianPackage: "mariadb-server-core", pluginPackage: "mariadb-server", image: "mariadb:11.8",
		args: mariadbArgs,
	},
	MariaDB1011: {
		name: "MariaDB 10.11", daemon: "mariadbd", least: release{10, 4, 0}, series: release{10, 11},
		suite: bookwormSuite, debianPackage: "mariadb-server-core", pluginPackage: "mariadb-server", image: "mariadb:10.11",
		args: mariadbArgs,
	},
}
