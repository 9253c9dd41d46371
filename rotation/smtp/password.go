package smtp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// passwordFor derives the SMTP password of an access key from its secret, for one region. It is
// the signature of a fixed word with a Signature Version 4 signing key for a fixed date:
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
