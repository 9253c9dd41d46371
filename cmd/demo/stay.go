package main

import (
	"context"
	"fmt"
	"strings"

	"mautic-rotation/internal/rig"
)

// stay prints what to try, and shows what happens until it is interrupted.
func (d *demo) stay(ctx context.Context) error {
	var exports strings.Builder
	for _, entry := range d.AWS.Env() {
		fmt.Fprintf(&exports, "  export %s\n", entry)
	}
	fmt.Fprintf(d.screen.out, `
In another terminal, with the AWS CLI:

%[1]s
  aws secretsmanager rotate-secret --secret-id %[2]s --rotation-lambda-arn %[3]s
  aws secretsmanager describe-secret --secret-id %[2]s
  aws secretsmanager list-secret-version-ids --secret-id %[2]s
  aws secretsmanager get-secret-value --secret-id %[2]s --version-stage AWSPREVIOUS
  aws ecs describe-services --cluster %[4]s --services %[5]s

  # would a rotation work? nothing is changed
  aws secretsmanager rotate-secret --secret-id %[2]s --no-rotate-immediately

  # one credential alone
  aws secretsmanager rotate-secret --secret-id %[2]s --client-request-token only.admin.$(uuidgen)

  # does Mautic know an API client? its id and key are in the secret
  curl %[6]s/oauth/v2/token -d grant_type=client_credentials -d client_id=… -d client_secret=…

  # a secret of your own is refused until it is among the function's SECRET_ARNS
  aws secretsmanager create-secret --name another --secret-string '{"database_password":"x"}'

  aws secretsmanager cancel-rotate-secret --secret-id %[2]s

What happens is shown here. End it with Ctrl-C; nothing stays behind.

`, exports.String(), d.SecretName, d.FunctionARN, rig.ClusterName, strings.Join(d.app.Services, " "), d.Mautic.URL())
	<-ctx.Done()
	d.screen.line("ending")
	return nil
}
