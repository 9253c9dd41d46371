// Package mysql has what the kinds need to talk to a MySQL or MariaDB server: a
// connection on which every wait is bounded, locks that keep invocations apart, and
// names for the servers' error numbers.
//
//	db, err := mysql.Open(mysql.Login{User: "mautic", Password: password, Address: "db.example.com:3306", ServerName: "db.example.com", TLS: config})
//	s, err := mysql.Connect(ctx, db)
//	defer s.Close()
//	err = s.BoundWaits(ctx)
//	ok, err := s.TryLock(ctx, mysql.LockName("set", "mautic"), mysql.LockWait)
//	err = s.Exec(ctx, "ALTER USER USER() IDENTIFIED BY ? REPLACE ? RETAIN CURRENT PASSWORD", next, present)
//	if mysql.Is(err, mysql.NotCurrentPassword) { … }
//
// Errors are the driver's own. Their text may repeat a statement, with the
// passwords in it (1064), or a value (1062), so a caller that passes one on replaces
// its text.
package mysql
