package mysqlserver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Series is a make of server and one of its release series, such as "mysql-9.7".
type Series string

// The series that are pinned: tests run on these, whatever a machine has installed.
const (
	MySQL97     Series = "mysql-9.7"
	MariaDB1011 Series = "mariadb-10.11"
	MariaDB118  Series = "mariadb-11.8"
)

// The series that stands for each make where any will do.
const (
	MySQL   = MySQL97
	MariaDB = MariaDB118
)

// pinned says how to get and how to run each series. It is the one place that names versions, packages and images: to move to
// another series, or to add one, change it here and in the constants above.
//
// MySQL 8.0 and 8.4 are missing because no suite of Debian has them. RDS has MariaDB 10.11 and 11.8.
var pinned = []recipe{
	{
		series: MySQL97, name: "MySQL 9.7", daemon: "mysqld", of: release{9, 7}, least: release{8, 0, 14},
		// Debian has MySQL in sid only, which follows MySQL's own releases. 9.7 has long-term support.
		suite: "sid", debianPackage: "mysql-server-core", image: "mysql:9.7",
		args: mysqlArgs,
	},
	{
		series: MariaDB1011, name: "MariaDB 10.11", daemon: "mariadbd", of: release{10, 11}, least: release{10, 4},
		suite: "bookworm", debianPackage: "mariadb-server-core", pluginPackage: "mariadb-server", image: "mariadb:10.11",
		args: mariadbArgs,
	},
	{
		series: MariaDB118, name: "MariaDB 11.8", daemon: "mariadbd", of: release{11, 8}, least: release{10, 4},
		suite: "trixie", debianPackage: "mariadb-server-core", pluginPackage: "mariadb-server", image: "mariadb:11.8",
		args: mariadbArgs,
	},
}

// A recipe says where to find a series' server, and how to run it.
type recipe struct {
	series Series
	name   string  // what people call it
	daemon string  // the server program
	of     release // the beginning of the versions in the series
	least  release // the oldest version of its make with dual passwords, which any server must have

	suite         string // of Debian: one that is released, where one has the series, as its packages stay
	debianPackage string // holds the server and little else
	pluginPackage string // of the same suite, with the server's plugins among much else; empty: no plugins are fetched
	image         string // for where there is a container engine and no Debian: mostly on a Mac

	args []string // of every run
}

// Pinned returns all series, those of MySQL first.
func Pinned() []Series {
	var all []Series
	for _, how := range pinned {
		all = append(all, how.series)
	}
	return all
}

// SeriesOf returns the series of a name as people give it: "mysql" and "mariadb", where any of that make will do, or a series'
// own, such as "mariadb-10.11".
func SeriesOf(name string) (Series, error) {
	switch name {
	case "mysql":
		return MySQL, nil
	case "mariadb":
		return MariaDB, nil
	}
	if _, known := recipeOf(Series(name)); !known {
		return "", fmt.Errorf("unknown server %q: use mysql, mariadb or one of %q", name, Pinned())
	}
	return Series(name), nil
}

// IsMariaDB tells whether servers of the series are MariaDB.
func (s Series) IsMariaDB() bool { return strings.HasPrefix(string(s), "mariadb-") }

// Make returns the name of the make: "MySQL" or "MariaDB".
func (s Series) Make() string { return makeOf(s.IsMariaDB()) }

// Name returns what people call the series: "MySQL 9.7".
func (s Series) Name() string {
	how, _ := recipeOf(s)
	return how.name
}

func recipeOf(s Series) (recipe, bool) {
	at := slices.IndexFunc(pinned, func(how recipe) bool { return how.series == s })
	if at < 0 {
		return recipe{}, false
	}
	return pinned[at], true
}

// makeOf returns the name of a make.
func makeOf(isMariaDB bool) string {
	if isMariaDB {
		return "MariaDB"
	}
	return "MySQL"
}

// A release is the numbers of one, the most important first: 10, 11, 14.
type release []int

func (r release) String() string {
	numbers := make([]string, len(r))
	for i, n := range r {
		numbers[i] = strconv.Itoa(n)
	}
	return strings.Join(numbers, ".")
}

// has tells whether a version is one of the releases that begin with these numbers.
func (r release) has(version release) bool {
	return len(version) >= len(r) && slices.Equal(version[:len(r)], r)
}

// releaseOf returns the numbers that a version begins with: 9, 7, 4 of "9.7.4-2".
func releaseOf(version string) (r release) {
	for field := range strings.SplitSeq(version, ".") {
		digits := field[:len(field)-len(strings.TrimLeft(field, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			return r
		}
		r = append(r, n)
		if digits != field {
			return r
		}
	}
	return r
}
