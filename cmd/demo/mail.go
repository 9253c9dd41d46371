package main

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/smtp"
)

// keyIn is the access key in a document: the user name for SMTP.
func keyIn(doc document.Document) string { return text(doc, smtp.RunbookLayout.Username) }

// keyName is how the function's log names an access key.
func keyName(id string) string { return id[:min(4, len(id))] + "…" + id[max(0, len(id)-4):] }

// mailLogsIn logs in to the SMTP server.
func mailLogsIn(ctx context.Context, d *demo, doc document.Document) (bool, error) {
	err := d.MailLogin(ctx, keyIn(doc), text(doc, smtp.RunbookLayout.Password))
	var refusal *textproto.Error
	if errors.As(err, &refusal) && refusal.Code == 535 {
		return false, nil
	}
	return err == nil, err
}

// keyStatus is active, inactive or deleted.
func (d *demo) keyStatus(id string) string {
	for _, key := range d.AWS.IAM.AccessKeys(rig.SMTPUser) {
		if key.ID == id {
			return strings.ToLower(key.Status)
		}
	}
	return "deleted"
}

// sentBeforeSwitchedOff tells whether a message has been delivered with the new key
// while the old one is still active.
func (d *demo) sentBeforeSwitchedOff(old, fresh string) bool {
	delivered := slices.ContainsFunc(d.SMTP.Messages(), func(m smtpserver.Message) bool { return m.Username == fresh })
	return delivered && d.keyStatus(old) == "active"
}

// keys describes a call that changed the IAM user's keys.
func (s *story) keys(call wire.Call) string {
	if call.Service != "iam" || call.ErrorCode != "" {
		return ""
	}
	key := ""
	if found := keyInCall.FindStringSubmatch(call.Detail); found != nil {
		key = keyName(found[1])
	}
	switch call.Operation {
	case "CreateAccessKey":
		var keys []string
		for _, key := range s.d.AWS.IAM.AccessKeys(rig.SMTPUser) {
			keys = append(keys, keyName(key.ID))
		}
		return "  IAM: access key created: " + rig.SMTPUser + " now has " + strings.Join(keys, " and ")
	case "UpdateAccessKey":
		_, status, _ := strings.Cut(call.Detail, "Status=")
		return "  IAM: access key " + key + " set to " + strings.ToLower(status)
	case "DeleteAccessKey":
		return "  IAM: access key " + key + " deleted"
	default:
		return ""
	}
}

// keyInCall finds the access key that a call is about.
var keyInCall = regexp.MustCompile(`AccessKeyId=(\w+)`)

// subject finds the subject of a message.
var subject = regexp.MustCompile(`(?m)^Subject: (.*)$`)

// mail reports the first delivery of each message with each new access key, and each
// key's first refused login.
func (s *story) mail() (lines []string) {
	say := func(line string) {
		if !s.told[line] {
			s.told[line] = true
			lines = append(lines, line)
		}
	}
	for _, m := range s.d.SMTP.Messages() {
		if m.Username == s.d.SMTPKey.ID {
			continue // the key from before the rotation
		}
		about := ""
		if found := subject.FindStringSubmatch(m.Data); found != nil {
			about = found[1]
		}
		say(fmt.Sprintf("  mail: “%s” delivered to %s, sent with key %s", about, strings.Join(m.To, ", "), keyName(m.Username)))
	}
	for _, l := range s.d.SMTP.Logins() {
		if !l.Accepted {
			say(fmt.Sprintf("  mail: login with key %s refused: %s", keyName(l.Username), smtpserver.AuthenticationInvalid))
		}
	}
	return lines
}

// mailTable has a row for each access key.
func (d *demo) mailTable() (rows []string) {
	var keys []string
	sent, refused := map[string]int{}, map[string]int{}
	for _, l := range d.SMTP.Logins() {
		if !slices.Contains(keys, l.Username) {
			keys = append(keys, l.Username)
		}
		if !l.Accepted {
			refused[l.Username]++
		}
	}
	for _, m := range d.SMTP.Messages() {
		sent[m.Username]++
	}
	for _, key := range keys {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%d", keyName(key), d.keyStatus(key), sent[key], refused[key]))
	}
	return rows
}

// twoKeys expects that a third access key was never requested from IAM.
func (d *demo) twoKeys() expectation {
	keys, most, refused := 1, 1, 0
	for _, event := range d.AWS.Events() {
		call, ok := event.(wire.CallFinished)
		switch {
		case !ok || call.Call.Service != "iam":
		case call.Call.Operation == "CreateAccessKey" && call.Call.ErrorCode != "":
			refused++
		case call.Call.Operation == "CreateAccessKey":
			keys++
		case call.Call.Operation == "DeleteAccessKey" && call.Call.ErrorCode == "":
			keys--
		}
		most = max(most, keys)
	}
	return expectation{"smtp: the IAM user never had more than the two access keys that IAM allows, and a third was never requested", most == 2 && refused == 0}
}
