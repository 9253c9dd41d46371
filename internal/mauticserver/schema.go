package mauticserver

import "strings"

// tables are those of a Mautic that a credential is in, or what concerns one, with
// the columns that matter to it. A name in braces is that of another table.
func tables(version Version) []string {
	// Columns and tables that 7.0 adds.
	since70 := func(columns string) string {
		if version == Mautic51 {
			return ""
		}
		return ", " + columns
	}
	return []string{
		`roles (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, is_published TINYINT(1) NOT NULL, name VARCHAR(191) NOT NULL,
			is_admin TINYINT(1) NOT NULL, readable_permissions LONGTEXT NOT NULL` + since70(`uuid CHAR(36) NULL`) + `)`,

		`users (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, role_id INT UNSIGNED NOT NULL, is_published TINYINT(1) NOT NULL,
			date_modified DATETIME NULL, username VARCHAR(191) NOT NULL UNIQUE, email VARCHAR(191) NOT NULL UNIQUE, password VARCHAR(64) NOT NULL,
			first_name VARCHAR(191) NOT NULL, last_name VARCHAR(191) NOT NULL, FOREIGN KEY (role_id) REFERENCES {roles} (id))`,

		`oauth2_clients (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, role_id INT UNSIGNED NULL, name VARCHAR(191) NOT NULL,
			random_id VARCHAR(191) NOT NULL, secret VARCHAR(191) NOT NULL, redirect_uris LONGTEXT NOT NULL, allowed_grant_types LONGTEXT NOT NULL,
			INDEX (random_id), FOREIGN KEY (role_id) REFERENCES {roles} (id))`,

		`oauth2_accesstokens (` + tokenColumns("NULL") + `)`,

		`oauth2_refreshtokens (` + tokenColumns("NOT NULL") + `)`,

		`webhooks (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, category_id INT UNSIGNED NULL, is_published TINYINT(1) NOT NULL,
			name VARCHAR(191) NOT NULL, webhook_url LONGTEXT NOT NULL, secret VARCHAR(191) NOT NULL` +
			since70(`marked_unhealthy_at DATETIME NULL, unhealthy_since DATETIME NULL, last_notification_sent_at DATETIME NULL`) + `)`,

		`webhook_events (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, webhook_id INT UNSIGNED NOT NULL, event_type VARCHAR(191) NOT NULL,
			FOREIGN KEY (webhook_id) REFERENCES {webhooks} (id) ON DELETE CASCADE)`,

		// An entry goes with its event.
		`webhook_queue (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, webhook_id INT UNSIGNED NOT NULL, event_id INT UNSIGNED NOT NULL,
			date_added DATETIME NULL, payload LONGTEXT NULL` + since70(`retries SMALLINT UNSIGNED DEFAULT 0 NOT NULL, date_modified DATETIME NULL`) + `,
			FOREIGN KEY (webhook_id) REFERENCES {webhooks} (id) ON DELETE CASCADE, FOREIGN KEY (event_id) REFERENCES {webhook_events} (id) ON DELETE CASCADE)`,

		`audit_log (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_name VARCHAR(191) NOT NULL, bundle VARCHAR(50) NOT NULL,
			object VARCHAR(50) NOT NULL, object_id BIGINT UNSIGNED NOT NULL, action VARCHAR(50) NOT NULL, details LONGTEXT NULL, date_added DATETIME NOT NULL)`,
	}
}

// tokenColumns are those of both tables of tokens, which differ in whether a
// token may be nobody's.
func tokenColumns(user string) string {
	return strings.ReplaceAll(`id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client_id INT UNSIGNED NOT NULL, user_id INT UNSIGNED USER,
		token VARCHAR(191) NOT NULL UNIQUE, expires_at BIGINT NULL, scope VARCHAR(191) NULL,
		FOREIGN KEY (client_id) REFERENCES {oauth2_clients} (id) ON DELETE CASCADE, FOREIGN KEY (user_id) REFERENCES {users} (id) ON DELETE CASCADE`, "USER", user)
}
