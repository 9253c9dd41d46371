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

// SecretValues are all values that the rig's secrets hold or have held, and what else must
// not leak: the accounts' first passwords, IAM access keys and RotationTokens.
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

// addSecretFields adds the text of each field whose name says that it is secret.
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

// Leaks looks for values in everything that the function leaves or shows outside its log:
// its secrets' labels, tags and descriptions, temporary files, and its processes' arguments and environment.
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

// lookAtProcesses passes the arguments and the environment of each of the function's
// processes to look. It gets the processes from the stand-in: finding them among all of
// the machine's would take longer than the rest of the search. Without /proc there are
// none.
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
