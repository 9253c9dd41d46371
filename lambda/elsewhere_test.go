package main

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/rig"
)

func TestAnOldPasswordThatAnotherSecretOfTheFunctionStoresStaysAccepted(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	other, err := d.CreateSecret(t.Context(), "mautic-cron-secrets", d.raw("AWSCURRENT"))
	if err != nil {
		t.Fatal(err)
	}
	d.reconfigure(map[string]string{"SECRET_ARNS": d.SecretARN + "," + other})
	d.mustRotate()
	d.mustBeSteady()
	for range 3 {
		d.AWS.Clock().Advance(pastRollout)
		if err := d.tick(); err != nil {
			t.Error(err)
		}
	}
	promoted := d.password("AWSCURRENT")
	d.accepts(true, d.Password, promoted)
	d.logSays("the AWSCURRENT of " + other + " stores it, so it is not retired")

	_, err = d.Secrets.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &other, SecretString: aws.String(d.raw("AWSCURRENT"))})
	if err != nil {
		t.Fatal(err)
	}
	d.mustEndWith(promoted)
}
