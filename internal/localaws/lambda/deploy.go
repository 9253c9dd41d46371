package lambda

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// createInput is what CreateFunction is asked with, as far as the stand-in has it.
type createInput struct {
	FunctionName, Runtime, Role, Handler, PackageType string
	Architectures                                     []string
	Code                                              struct{ ZipFile []byte }
	Timeout, MemorySize                               int
	Environment                                       *Environment
	LoggingConfig                                     LoggingConfig
	Tags                                              map[string]string
}

// answerCreate makes a function of an archive. Nobody may invoke it but the account itself, until AddPermission says so.
func (s *StandIn) answerCreate(in input) wire.Reply {
	c, err := decode[createInput](in.body)
	if err == nil {
		err = s.deploy(c)
	}
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	made, err := s.getConfiguration(input{function: c.FunctionName})
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	return wire.RESTReply(http.StatusCreated, made)
}

func (s *StandIn) deploy(c createInput) error {
	switch {
	case c.Runtime != "provided.al2023" || c.PackageType != "" && c.PackageType != "Zip":
		return invalidParameter("localaws has functions of the runtime provided.al2023 only, packed as Zip")
	case !strings.HasPrefix(c.Role, "arn:aws:iam::"+s.host.Account.ID+":role/"):
		return invalidParameter("The role defined for the function cannot be assumed by Lambda.")
	}
	if s.Exists(c.FunctionName) == nil {
		return &wire.Error{Code: "ResourceConflictException", Message: "Function already exist: " + c.FunctionName, Status: http.StatusConflict}
	}
	dir, err := unpack(c.Code.ZipFile)
	if err != nil {
		return err
	}
	remove := sync.OnceFunc(func() { _ = os.RemoveAll(dir) })
	f := Function{
		Name: c.FunctionName, Binary: filepath.Join(dir, "bootstrap"),
		Timeout: time.Duration(c.Timeout) * time.Second, MemorySize: c.MemorySize,
		LogGroup: c.LoggingConfig.LogGroup, LogFormat: c.LoggingConfig.LogFormat, Tags: c.Tags,
		DenySecretsManager: true,
		remove:             remove, role: c.Role,
	}
	if c.Environment != nil {
		f.Env = c.Environment.Variables
	}
	if _, err := s.CreateFunction(f); err != nil {
		remove()
		return invalidParameter("%v", err)
	}
	// The archive goes with the function, or with the stand-in if that is closed before.
	if !s.host.Spawn(func() { <-s.host.Context().Done(); remove() }) {
		remove()
	}
	return nil
}

// unpack writes the files of an archive to a new directory.
func unpack(archive []byte) (dir string, err error) {
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return "", invalidParameter("Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	if dir, err = os.MkdirTemp("", "localaws-function-"); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range files.File {
		if err := unpackFile(root, f); err != nil {
			return "", errors.Join(invalidParameter("Could not unzip uploaded file: %v", err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// unpackFile writes one file below a directory, with its mode. Meanwhile no process is started, for that would inherit the
// open file, and what is open for writing cannot be executed.
func unpackFile(root *os.Root, f *zip.File) error {
	name := filepath.FromSlash(f.Name)
	if f.FileInfo().IsDir() {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil { // an archive need not list its directories
		return err
	}
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

func (s *StandIn) answerDelete(in input) wire.Reply {
	t, err := s.locate(in.function, in.qualifier)
	switch {
	case err != nil:
		return wire.RESTError(wire.AsError(err))
	case t.qualifier != "":
		return wire.RESTError(invalidParameter("localaws has no versions to delete"))
	}
	s.DeleteFunction(t.fn.Name)
	return wire.Reply{Status: http.StatusNoContent, Header: http.Header{}}
}

// permission is a statement of a function's policy.
type permission struct {
	StatementID                                 string `json:"StatementId"`
	Action, Principal, SourceArn, SourceAccount string
	qualifier                                   string
}

// answerPermit adds a statement to the policy of a function, or of its alias.
func (s *StandIn) answerPermit(in input) wire.Reply {
	p, err := s.permit(in)
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	statement, err := json.Marshal(map[string]any{
		"Sid": p.StatementID, "Effect": "Allow", "Action": p.Action, "Principal": map[string]string{"Service": p.Principal},
	})
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	return wire.RESTReply(http.StatusCreated, map[string]string{"Statement": string(statement)})
}

func (s *StandIn) permit(in input) (permission, error) {
	t, err := s.locate(in.function, in.qualifier)
	if err != nil {
		return permission{}, err
	}
	p, err := decode[permission](in.body)
	if err != nil {
		return p, err
	}
	if p.Action != "lambda:InvokeFunction" || p.StatementID == "" || p.Principal == "" {
		return p, invalidParameter("localaws has permissions for lambda:InvokeFunction only, with a StatementId and a Principal")
	}
	p.qualifier = t.qualifier
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range t.fn.policy {
		if other.StatementID == p.StatementID && other.qualifier == p.qualifier {
			return p, &wire.Error{
				Code: "ResourceConflictException", Status: http.StatusConflict,
				Message: fmt.Sprintf("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", p.StatementID),
			}
		}
	}
	t.fn.policy = append(t.fn.policy, p)
	return p, nil
}

// SecretsManagerMayInvoke tells whether there is such a function and its policy admits the rotation service, for a secret.
func (s *StandIn) SecretsManagerMayInvoke(id, secretARN string) bool {
	t, err := s.locate(id, "")
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.fn.DenySecretsManager {
		return true
	}
	for _, p := range t.fn.policy {
		if p.qualifier == t.qualifier && p.Principal == "secretsmanager.amazonaws.com" &&
			cmp.Or(p.SourceAccount, s.host.Account.ID) == s.host.Account.ID && cmp.Or(p.SourceArn, secretARN) == secretARN {
			return true
		}
	}
	return false
}
