package mauticserver

import (
	"context"
	"database/sql"
	"errors"
)

// RunJob runs one of Mautic's console commands in the container: as cron does,
// where its role is Cron. It is a process of its own, which takes the parameters as they are
// now, logs in to the database and logs out. A nil job does nothing more. The
// error is that of the login, or the job's.
func (c Container) RunJob(ctx context.Context, open Open, job func(context.Context, *sql.DB) error) error {
	password, err := c.DatabasePassword()
	if err != nil {
		return err
	}
	db, err := open.loggedIn(ctx, password)
	if err != nil {
		return err
	}
	if job != nil {
		err = job(ctx, db)
	}
	return errors.Join(err, db.Close())
}

// A Consumer is a messenger:consume, which a worker runs. It keeps its
// connection until that closes, so a new password does not concern it before.
type Consumer struct {
	db         *sql.DB
	connection *sql.Conn
}

// Consume starts a consumer in the container, with the parameters as they are
// now. Whoever gets it closes it.
func (c Container) Consume(ctx context.Context, open Open) (*Consumer, error) {
	password, err := c.DatabasePassword()
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, password)
	if err != nil {
		return nil, err
	}
	connection, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Consumer{db, connection}, nil
}

// Handle handles one message: it asks the database something. When the
// connection has been closed this fails, for good: then a worker is started anew.
func (c *Consumer) Handle(ctx context.Context) error {
	var one int
	return c.connection.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Close ends the consumer. It may be called again.
func (c *Consumer) Close() error {
	err := c.connection.Close()
	if errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return errors.Join(err, c.db.Close())
}
