package smtpserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// AcceptKeys makes an Accept of SES: the user name is the id of an access key that may be used now, and the password is
// derived from its secret for the region. keys tells of a key; the method KeyAccepts of the stand-in for AWS does.
func AcceptKeys(region string, keys func(accessKeyID string) (secret string, active bool)) func(username, password string) bool {
	return func(username, password string) bool {
		secret, active := keys(username)
		return active && hmac.Equal([]byte(password), []byte(Password(secret, region)))
	}
}

// Password derives SES's SMTP password from an access key's secret, as its documentation describes: the chain of keys of
// Signature Version 4, over a date that stays as it was when SMTP was introduced.
func Password(secret, region string) string {
	const version = 0x04
	key := []byte("AWS4" + secret)
	for _, part := range []string{"11111111", region, "ses", "aws4_request", "SendRawEmail"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return base64.StdEncoding.EncodeToString(append([]byte{version}, key...))
}
