package rig

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/leak"
)

// SecretValues are all that the rig's secrets hold or have held, and what else
// must be nowhere: what accounts began with, IAM's keys, RotationTokens.
func (r *Rig) SecretValues() (*leak.Values, error) {
	values := &leak.Values{}
	values.Add("the account's first password", r.Password)
	values.Add("the administrator's password", r.AdminPassword)
	for _, arn := range r.secretARNs {
		state, err := r.AWS.SecretsManager.State(arn)
		if err != nil {
			return nil, err
		}
		for _, version := range state.Versions {
			whose := " of version " + version.ID + " of " + state.Name
			values.Add("the RotationToken"+whose, version.RotationToken)
			if !version.HasValue {
				continue
			}
			var document any
			if err := json.Unmarshal([]byte(version.Value), &document); err != nil {
				values.Add("the value"+whose, version.Value)
				continue
			}
			addSecretFields(values, "", whose, document)
		}
	}
	if r.SMTP != nil {
		for _, key := range append(r.AWS.IAM.AccessKeys(SMTPUser), r.SMTPKey) {
			values.Add("the secret of the access key "+key.ID, key.Secret)
		}
	}
	return values, nil
}

// addSecretFields adds each text in a field whose name says that it is secret.
func addSecretFields(values *leak.Values, name, whose string, node any) {
	switch node := node.(type) {
	case map[string]any:
		for name, field := range node {
			addSecretFields(values, name, whose, field)
		}
	case string:
		for _, word := range []string{"password", "secret", "api_key", "secret_key"} {
			if strings.Contains(name, word) {
				values.Add(name+whose, node)
			}
		}
	}
}

// Leaks looks for values in what the function has left or shows outside its
// log: the labels, tags and texts of its secrets, temporary files, and its processes' arguments and environment.
func (r *Rig) Leaks(ctx context.Context, values *leak.Values) (findings []string, err error) {
	look := func(where string, text []byte) {
		for _, finding := range values.In(string(text)) {
			findings = append(findings, where+": "+finding)
		}
	}
	for _, arn := range r.secretARNs {
		described, err := r.Secrets.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &arn})
		if err != nil {
			return nil, err
		}
		// Its values are not in a description.
		text, err := json.Marshal(described)
		if err != nil {
			return nil, err
		}
		look("the description of "+*described.Name, text)
	}
	if err := filepath.WalkDir(r.tempDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		look("a temporary file", append(text, entry.Name()...))
		return err
	}); err != nil {
		return nil, err
	}
	r.lookAtProcesses(look)
	return findings, nil
}

// lookAtProcesses shows the arguments and the environment of each process of the
// function. It asks the stand-in for them: to find them among all processes of
// the machine takes longer than all else that a search does. Where there is no
// /proc it shows none.
func (r *Rig) lookAtProcesses(look func(where string, text []byte)) {
	for _, id := range r.AWS.Lambda.Processes(FunctionName) {
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(id), name))
			if err != nil {
				break // it has just ended
			}
			look("a process's "+name, text)
		}
	}
}
