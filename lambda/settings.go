package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/database"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mautic"
	"mautic-rotation/rotation/password"
	"mautic-rotation/rotation/smtp"
)

// settings are the environment's settings. They apply to every secret.
type settings struct {
	secretARNs        []string
	database          database.Config
	adminSecretARN    string // "": there is none
	databaseSecretARN string // "": each secret has the database's credentials itself
	askRDS            bool
	cluster           string
	services          []string
	mauticURL         string
	kinds             []string // that are rotated
	mautic            mauticSettings
	smtp              smtp.Config
	limits            rotation.Limits
	leaveCopies       bool
	every             map[string]time.Duration
	whenDue           []string // those of secretARNs whose only kind is rotated when it is due, and not by every scheduled rotation
	unmeasured        bool     // no metrics are written
}

// mauticSettings are for the kinds in Mautic's own tables.
type mauticSettings struct {
	tablePrefix string
	hooks       []string
	apiOverlap  time.Duration
	hashCost    int

	databaseDocuments func(context.Context) ([]document.Document, error) // of databaseSecretARN
}

// offered are the kinds that can be rotated, in the order in which they are set: single-valued
// ones come last.
var offered = []string{"database", "smtp", "api", "admin", "webhook"}

// setting is one environment variable. An empty value counts as unset, because a template cannot
// omit a variable.
type setting struct {
	name string
	what string // for an error
	read func(p *parsed, value string) error
}

// parsed collects what the variables say until all are read.
type parsed struct {
	settings
	length   int
	alphabet string
	layout   database.Layout
}

// known lists all variables that the function reads.
var known = []setting{
	{"SECRET_ARNS", "the ARNs of the secrets that the function serves, separated by commas", func(p *parsed, value string) error {
		for _, arn := range list(value) {
			if err := checkRotatedARN(arn); err != nil {
				return err
			}
			p.secretARNs = append(p.secretARNs, arn)
		}
		if len(p.secretARNs) == 0 {
			return fmt.Errorf("%q has none", value)
		}
		return nil
	}},
	{"ECS_CLUSTER", "the cluster of the services, by name or ARN", text(func(p *parsed) *string { return &p.cluster })},
	{"ECS_SERVICES", "the services that read the secret, separated by commas", func(p *parsed, value string) error {
		p.services = list(value)
		return nil
	}},
	{"DATABASE_USER", "the account, where the secret does not name it", text(func(p *parsed) *string { return &p.database.User })},
	{"DATABASE_HOST", "the server, where the secret does not name it", text(func(p *parsed) *string { return &p.database.Host })},
	{"DATABASE_PORT", "its port", port(func(p *parsed) *int { return &p.database.Port })},
	{"DATABASE_NAME", "the database, where the secret does not name it", text(func(p *parsed) *string { return &p.database.Name })},
	{"DATABASE_PASSWORD_POINTER", "where the secret has the password", pointer(func(p *parsed) *document.Pointer { return &p.layout.Password })},
	{"DATABASE_USER_POINTER", "where it has the user", pointer(func(p *parsed) *document.Pointer { return &p.layout.User })},
	{"DATABASE_HOST_POINTER", "where it has the host", pointer(func(p *parsed) *document.Pointer { return &p.layout.Host })},
	{"DATABASE_PORT_POINTER", "where it has the port", pointer(func(p *parsed) *document.Pointer { return &p.layout.Port })},
	{"DATABASE_NAME_POINTER", "where it has the database's name", pointer(func(p *parsed) *document.Pointer { return &p.layout.Name })},
	{"DATABASE_WAY", "how the password is changed", func(p *parsed, value string) error {
		p.database.Way = value
		return database.ParseWay(value)
	}},
	{"DATABASE_ADMIN_SECRET_ARN", "the secret of an administrator who changes the password", func(p *parsed, value string) error {
		p.adminSecretARN = value
		return checkARN(value)
	}},
	{"DATABASE_SECRET_ARN", "the secret with the database's credentials, for secrets that have none", func(p *parsed, value string) error {
		p.databaseSecretARN = value
		return checkARN(value)
	}},
	{"DATABASE_INSTANCE", "the identifier of the RDS instance or cluster", text(func(p *parsed) *string { return &p.database.Instance })},
	{"DATABASE_ENDPOINT", "where to connect instead of what the secret names", func(p *parsed, value string) error {
		p.database.Endpoint = value
		return checkEndpoint(value)
	}},
	{"DATABASE_RECOVERY", "whether RDS may be asked to set a master password that nobody knows", func(p *parsed, value string) (err error) {
		if p.database.Recovery, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}},
	{"DATABASE_RDS", "whether RDS may be asked about the database, and to set a master user's password", func(p *parsed, value string) (err error) {
		if p.askRDS, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}},
	{"DATABASE_TLS", "how connections are protected", func(p *parsed, value string) error {
		p.database.TLS = value
		return database.ParseTLS(value)
	}},
	{"DATABASE_CA_FILE", "a PEM file with the root certificates to verify the server with", func(p *parsed, value string) error {
		if _, err := os.Stat(value); err != nil {
			return fmt.Errorf("the file does not exist: %w", err)
		}
		p.database.CAFile = value
		return nil
	}},
	{"MAUTIC_URL", "the base URL of the Mautic whose login page shows whether it is healthy", func(p *parsed, value string) error {
		p.mauticURL = value
		_, err := mautic.NewHealth(value, http.DefaultClient)
		return err
	}},
	{"ROTATE_KINDS", "which credentials of the secrets are rotated", func(p *parsed, value string) error {
		p.kinds = list(value)
		for _, name := range p.kinds {
			if !slices.Contains(offered, name) {
				return fmt.Errorf("%q is not one of %s", name, strings.Join(offered, ", "))
			}
		}
		if len(p.kinds) == 0 {
			return fmt.Errorf("%q names none of %s", value, strings.Join(offered, ", "))
		}
		return nil
	}},
	{"MAUTIC_TABLE_PREFIX", "the prefix of Mautic's tables (db_table_prefix); - for none", text(func(p *parsed) *string { return &p.mautic.tablePrefix })},
	{"MAUTIC_WEBHOOKS", "the names of the webhooks whose secret is rotated, separated by commas", func(p *parsed, value string) error {
		p.mautic.hooks = list(value)
		return nil
	}},
	{"ADMIN_HASH_COST", "bcrypt's cost of the administrator's password", func(p *parsed, value string) (err error) {
		if p.mautic.hashCost, err = strconv.Atoi(value); err != nil || p.mautic.hashCost < 10 || p.mautic.hashCost > 15 {
			return fmt.Errorf("%q is not a whole number from 10 to 15", value)
		}
		return nil
	}},
	{"API_OVERLAP_DAYS", "for how long the old API client goes on working", duration(24*time.Hour, 1, 90, func(p *parsed) *time.Duration { return &p.mautic.apiOverlap })},
	{"SMTP_IAM_USER", "the IAM user whose access keys are SES's SMTP credentials", func(p *parsed, value string) error {
		p.smtp.User = value
		if !iamUserName.MatchString(value) {
			return fmt.Errorf("%q is not the name of an IAM user (without a path or an ARN)", value)
		}
		return nil
	}},
	{"SMTP_HOST", "the SMTP server, where the secret does not name it", text(func(p *parsed) *string { return &p.smtp.Host })},
	{"SMTP_PORT", "its port", port(func(p *parsed) *int { return &p.smtp.Port })},
	{"SMTP_REGION", "the SES region, if the server's name does not contain it", func(p *parsed, value string) error {
		p.smtp.Region = value
		if !regionName.MatchString(value) {
			return fmt.Errorf("%q is not a region (such as eu-west-1)", value)
		}
		return nil
	}},
	{"SMTP_CA_FILE", "a PEM file with the root certificates to verify the SMTP server with", func(p *parsed, value string) error {
		pem, err := os.ReadFile(value) //nolint:gosec // G304: the path is the operator's setting
		if err != nil {
			return err
		}
		p.smtp.Roots = x509.NewCertPool()
		if !p.smtp.Roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s contains no PEM certificate", value)
		}
		return nil
	}},
	{"SMTP_TEST_FROM", "the sender of a message that tests a new SMTP credential", address(func(p *parsed) *string { return &p.smtp.TestFrom })},
	{"SMTP_TEST_TO", "its recipient", address(func(p *parsed) *string { return &p.smtp.TestTo })},
	{"ROLLOUT_MINUTES", "how long the services may take to start after a promotion", duration(time.Minute, 1, 24*60, func(p *parsed) *time.Duration { return &p.limits.Rollout })},
	{"ROTATE_EVERY_DAYS", "how often a schedule rotates each kind of a secret that has several", func(p *parsed, value string) (err error) {
		p.every, err = rhythms(value)
		return err
	}},
	// It comes after SECRET_ARNS, which must be read first.
	{"ROTATE_WHEN_DUE", "whether a schedule rotates even the only kind of a secret only when it is due", func(p *parsed, value string) error {
		if all, err := strconv.ParseBool(value); err == nil {
			if all {
				p.whenDue = p.secretARNs
			}
			return nil
		}
		p.whenDue = list(value)
		for _, arn := range p.whenDue {
			if !slices.Contains(p.secretARNs, arn) {
				return fmt.Errorf("%q is neither true nor false, nor one of SECRET_ARNS", arn)
			}
		}
		return nil
	}},
	{"FOLLOW_COPIES", "whether copies of a credential in other fields, in DSNs and URLs, are updated with it", func(p *parsed, value string) error {
		follow, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		p.leaveCopies = !follow
		return nil
	}},
	{"OBSERVE_MINUTES", "how long to look for use of an old value, once every task is new, before it is retired", duration(time.Minute, 0, 24*60, func(p *parsed) *time.Duration { return &p.limits.Observe })},
	{"WATCH_SECONDS", "how long one invocation looks for it", duration(time.Second, 1, 300, func(p *parsed) *time.Duration { return &p.limits.Watch })},
	{"OVERLAP_HOURS", "how long an old password is accepted when no services are set", duration(time.Hour, 1, 24*90, func(p *parsed) *time.Duration { return &p.limits.OverlapWithoutServices })},
	{"METRICS", "whether metrics are written", func(p *parsed, value string) error {
		written, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		p.unmeasured = !written
		return nil
	}},
	{"PASSWORD_LENGTH", "how many characters a password gets", func(p *parsed, value string) (err error) {
		if p.length, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("%q is not a whole number", value)
		}
		return nil
	}},
	{"PASSWORD_ALPHABET", "the characters a password is made of", text(func(p *parsed) *string { return &p.alphabet })},
}

// The name of a secret has letters, digits and these. Only AWS services put an exclamation mark
// into the names of theirs (rds!db-…).
var secretARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:([A-Za-z0-9/_+=.@!-]+)-[A-Za-z0-9]{6}$`)

// IAM user names, and region names.
var (
	iamUserName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	regionName  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d+$`)
)

func checkARN(arn string) error {
	if !secretARN.MatchString(arn) {
		return fmt.Errorf("%q is not a secret's ARN (arn:aws:secretsmanager:<region>:<account>:secret:<name>-<six characters>)", arn)
	}
	return nil
}

// checkRotatedARN accepts the secrets that a function may rotate: not those owned by an AWS
// service, which it may only read.
func checkRotatedARN(arn string) error {
	if err := checkARN(arn); err != nil {
		return err
	}
	if service, _, owned := strings.Cut(secretARN.FindStringSubmatch(arn)[1], "!"); owned {
		return fmt.Errorf("%q belongs to the service %s, which alone can rotate it: have %[2]s rotate it, or give Mautic a user and a secret of its own and name that one here. "+
			"(DATABASE_ADMIN_SECRET_ARN and DATABASE_SECRET_ARN take such a secret, since it is only read)", arn, service)
	}
	return nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func checkEndpoint(value string) error {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		host, port = value, strconv.Itoa(database.DefaultPort)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 1 || number > 65535 || !hostName.MatchString(host) && net.ParseIP(host) == nil {
		return fmt.Errorf("%q is neither a host nor host:port", value)
	}
	return nil
}

// readSettings reads the environment, as os.Environ returns it, and reports all its faults at
// once.
func readSettings(environment []string) (settings, error) {
	p := parsed{settings: settings{kinds: []string{"database"}, limits: rotation.DefaultLimits}, length: password.DefaultLength, alphabet: password.DefaultAlphabet}
	values := map[string]string{}
	var faults []error
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
		if looksLikeOurs(name) {
			faults = append(faults, fmt.Errorf("%s: no such setting; is it misspelt? There are %s", name, strings.Join(ours(), ", ")))
		}
	}
	for _, s := range known {
		if value := strings.TrimSpace(values[s.name]); value != "" {
			if err := s.read(&p, value); err != nil {
				faults = append(faults, fmt.Errorf("%s (%s): %w", s.name, s.what, err))
			}
		}
	}
	faults = append(faults, p.conclude(values)...)
	return p.settings, errors.Join(faults...)
}

// conclude checks what several variables say together.
func (p *parsed) conclude(values map[string]string) (faults []error) {
	if strings.TrimSpace(values["SECRET_ARNS"]) == "" {
		faults = append(faults, errors.New("SECRET_ARNS is not set: give the ARNs of the secrets to rotate, separated by commas"))
	}
	if (p.cluster == "") != (len(p.services) == 0) {
		faults = append(faults, errors.New("ECS_CLUSTER and ECS_SERVICES go together: set both, or neither if nothing has to be redeployed"))
	}
	policy, err := password.NewPolicy(p.length, p.alphabet)
	if err != nil {
		faults = append(faults, fmt.Errorf("PASSWORD_LENGTH and PASSWORD_ALPHABET: %w", err))
	}
	p.database.Passwords = policy
	if needs := p.needsRDS(); needs != "" && !p.askRDS {
		faults = append(faults, fmt.Errorf("%s needs DATABASE_RDS=true, with the permissions for it", needs))
	}
	if p.database.Way == "admin" && p.adminSecretARN == "" {
		faults = append(faults, errors.New("DATABASE_WAY=admin needs DATABASE_ADMIN_SECRET_ARN"))
	}
	if slices.Contains(p.kinds, "smtp") && p.smtp.User == "" {
		faults = append(faults, errors.New("ROTATE_KINDS has smtp, which needs SMTP_IAM_USER: the IAM user whose access keys are SES's SMTP credentials"))
	}
	if (p.smtp.TestFrom == "") != (p.smtp.TestTo == "") {
		faults = append(faults, errors.New("SMTP_TEST_FROM and SMTP_TEST_TO go together: set both, or neither if no message should be sent"))
	}
	if p.layout != (database.Layout{}) {
		for name, place := range map[string]document.Pointer{
			"DATABASE_USER_POINTER": p.layout.User, "DATABASE_HOST_POINTER": p.layout.Host,
			"DATABASE_PORT_POINTER": p.layout.Port, "DATABASE_NAME_POINTER": p.layout.Name,
		} {
			switch {
			case place == "":
			case p.layout.Password == "":
				faults = append(faults, fmt.Errorf("DATABASE_PASSWORD_POINTER is not set, but %s is: the secret's layout begins with the password", name))
			case place == p.layout.Password:
				faults = append(faults, fmt.Errorf("%s is the same as DATABASE_PASSWORD_POINTER (%s), which a rotation changes", name, place))
			}
		}
		p.database.Layouts = []database.Layout{p.layout}
	}
	return faults
}

// needsRDS names a setting that has no effect unless RDS may be asked.
func (p *parsed) needsRDS() string {
	switch {
	case p.database.Way == "rds":
		return "DATABASE_WAY=rds"
	case p.database.Recovery:
		return "DATABASE_RECOVERY=true"
	case p.database.Instance != "":
		return "DATABASE_INSTANCE"
	}
	return ""
}

func text(field func(*parsed) *string) func(*parsed, string) error {
	return func(p *parsed, value string) error {
		*field(p) = value
		return nil
	}
}

func port(field func(*parsed) *int) func(*parsed, string) error {
	return func(p *parsed, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q is not a port", value)
		}
		*field(p) = n
		return nil
	}
}

// address accepts an address only, without a name before it.
func address(field func(*parsed) *string) func(*parsed, string) error {
	return func(p *parsed, value string) error {
		parsed, err := mail.ParseAddress(value)
		if err != nil || parsed.Address != value {
			return fmt.Errorf("%q is not an e-mail address (mautic@example.com)", value)
		}
		*field(p) = value
		return nil
	}
}

func duration(unit time.Duration, least, most int, field func(*parsed) *time.Duration) func(*parsed, string) error {
	return func(p *parsed, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", value, least, most)
		}
		*field(p) = time.Duration(n) * unit
		return nil
	}
}

func pointer(field func(*parsed) *document.Pointer) func(*parsed, string) error {
	return func(p *parsed, value string) (err error) {
		*field(p), err = document.ParsePointer(value)
		return err
	}
}

// rhythms parses "database=90,admin=60", in days.
func rhythms(value string) (map[string]time.Duration, error) {
	every := map[string]time.Duration{}
	for _, item := range list(value) {
		name, days, _ := strings.Cut(item, "=")
		n, err := strconv.Atoi(days)
		if _, known := rotation.DefaultEvery[name]; !known || err != nil || n < 1 || n > 1000 || every[name] != 0 {
			return nil, fmt.Errorf("%q is not a kind (%s), once, an equals sign and a number of days from 1 to 1000", item,
				strings.Join(slices.Sorted(maps.Keys(rotation.DefaultEvery)), ", "))
		}
		every[name] = time.Duration(n) * 24 * time.Hour
	}
	return every, nil
}

func list(value string) (items []string) {
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

// ours are the names with a prefix that only this function uses.
func ours() (names []string) {
	for _, s := range known {
		if hasOurPrefix(s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// looksLikeOurs finds misspelt names: if they were ignored, a setting would silently keep its
// default.
func looksLikeOurs(name string) bool {
	return hasOurPrefix(name) && !slices.Contains(ours(), name)
}

func hasOurPrefix(name string) bool {
	return strings.HasPrefix(name, "DATABASE_") || strings.HasPrefix(name, "SMTP_")
}
