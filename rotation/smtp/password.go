package smtp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// passwordFor derives the SMTP password of an access key from its secret, for
// one region. It is a signing key of AWS's Signature Version 4 for a date that
// never changes, and the signature of one word with it:
// https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
func passwordFor(secretAccessKey, region string) string {
	signature := []byte("AWS4" + secretAccessKey)
	for _, part := range []string{"11111111", region, "ses", "aws4_request", "SendRawEmail"} {
		mac := hmac.New(sha256.New, signature)
		mac.Write([]byte(part))
		signature = mac.Sum(nil)
	}
	const version = 0x04
	return base64.StdEncoding.EncodeToString(append([]byte{version}, signature...))
}
