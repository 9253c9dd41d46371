package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"

	"mautic-rotation/rotation/credential"
)

// explainReply says why a login or a message failed, and what to do about it. It quotes only the
// codes of the server's reply, because the text may repeat what was sent.
func (k *Kind) explainReply(err error, at endpoint, doing string) error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return k.explainCode(reply, at, doing)
	}
	if errors.Is(err, errNoTLS) {
		return credential.Failf(credential.Unknown, "the SMTP server %s does not offer STARTTLS, and no credential is sent in the clear: use a port with STARTTLS (587, 2587, 25), or one with implicit TLS (465, 2465)", at)
	}
	if fault := explainTLS(err, at); fault != nil {
		return fault
	}
	network, isNetwork := errors.AsType[net.Error](err)
	_, noHost := errors.AsType[*net.DNSError](err)
	switch {
	case noHost:
		return credential.Failf(credential.Unreachable, "the name of the SMTP server %s cannot be resolved: correct field %s or SMTP_HOST: %w", at, k.config.Layout.Host, err)
	case isNetwork && network.Timeout() && doing != connecting:
		return credential.Failf(credential.Unreachable, "the SMTP server %s accepts the connection and then says nothing (%s): does that port use implicit TLS, like 465 and 2465, or is something else listening there?", at, doing)
	case isNetwork && network.Timeout():
		return credential.Failf(credential.Unreachable, "the SMTP server %s does not answer: check that the function's subnets have a route to it (a NAT gateway, or the VPC endpoint email-smtp) and that the security group allows port %d outbound; AWS itself blocks port 25, so use 587 or 465: %w", at, at.port, err)
	case isNetwork:
		return credential.Failf(credential.Unreachable, "the SMTP server %s cannot be reached: check field %s and %s (SMTP_HOST and SMTP_PORT), and that the security groups allow the port: %w", at, k.config.Layout.Host, k.config.Layout.Port, err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &credential.Failure{
			Outcome: credential.Unreachable, Temporary: true,
			Problem: fmt.Sprintf("the SMTP server %s has closed the connection (%s)", at, doing),
			Remedy:  "does that port use implicit TLS?",
		}
	default:
		return credential.Failf(credential.Unknown, "the SMTP server %s gave an answer that is not SMTP (%s): check the host and the port", at, doing)
	}
}

// explainTLS returns nil for an error that has nothing to do with TLS.
func explainTLS(err error, at endpoint) error {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return credential.Failf(credential.Unknown, "the certificate of the SMTP server %s is not for that name: correct the host: %w", at, err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return credential.Failf(credential.Unknown, "the certificate of the SMTP server %s is not signed by a trusted root; SES's is. For another server, put its roots into SMTP_CA_FILE: %w", at, err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return credential.Failf(credential.Unknown, "the certificate of the SMTP server %s is not valid: %w", at, err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return credential.Failf(credential.Unknown, "the SMTP server %s does not use implicit TLS on that port: use STARTTLS on 587, 2587 or 25", at)
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return credential.Failf(credential.Unknown, "cannot establish TLS with the SMTP server %s: %w", at, err)
	}
	return nil
}

// enhanced matches the status code that some replies begin with (RFC 3463).
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// explainCode is explainReply for a reply of the server. SES documents its codes in "SMTP
// response codes returned by Amazon SES":
// https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
func (k *Kind) explainCode(reply *textproto.Error, at endpoint, doing string) error {
	code := fmt.Sprint(reply.Code)
	if more := enhanced.FindString(reply.Msg); more != "" {
		code += " " + more
	}
	isSending := doing == sending
	fault := func(outcome credential.Outcome, remedy string) error {
		return &credential.Failure{
			Outcome: outcome, Temporary: reply.Code/100 == 4,
			Problem: fmt.Sprintf("the SMTP server %s answers %s (%s)", at, code, doing),
			Remedy:  remedy,
		}
	}
	switch {
	case reply.Code == 535 && !isSending:
		return fault(credential.Denied, "it refuses the user name or the password. A password works in one region only: check that the host is in that region")
	case reply.Code == 454:
		return fault(credential.Unreachable, "temporary authentication failure: try again")
	case reply.Code/100 == 4:
		return fault(credential.Unreachable, "it is temporarily unavailable, perhaps because of SES's sending rate: try again")
	case reply.Code == 530:
		return fault(credential.Unknown, "it requires TLS or a login first: is SMTP_PORT one of SES's (587, 2587, 25; with implicit TLS 465, 2465)?")
	case isSending && reply.Code == 554:
		return fault(credential.Unknown, fmt.Sprintf("it rejects the message. Allow ses:SendRawEmail for the IAM user %s, and verify %s, or its domain, as an SES identity in region %s; in the SES sandbox, %s too. A paused or suspended account cannot send either", k.config.User, k.config.TestFrom, at.region, k.config.TestTo))
	case isSending && (reply.Code == 501 || reply.Code == 553):
		return fault(credential.Unknown, fmt.Sprintf("it rejects the address: correct SMTP_TEST_FROM (%s) and SMTP_TEST_TO (%s)", k.config.TestFrom, k.config.TestTo))
	case isSending:
		return fault(credential.Unknown, "it rejects the message: look up the code in the SES documentation of SMTP response codes")
	default:
		return fault(credential.Unknown, "look up the code in the SES documentation of SMTP response codes")
	}
}
