package contract

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Archive is a function as it is deployed.
type Archive struct {
	Zip          []byte
	Architecture string // Lambda's word: arm64, x86_64
}

// Build builds the function for an architecture of Go's, arm64 or amd64. It takes Go, and this module's directory or one
// below it as the working directory.
func Build(ctx context.Context, goarch string) (Archive, error) {
	dir, err := os.MkdirTemp("", "mautic-contract-")
	if err != nil {
		return Archive{}, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=",
		"-o", binary, "mautic-rotation/internal/contract/function/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch)
	if out, err := build.CombinedOutput(); err != nil {
		return Archive{}, fmt.Errorf("build the function: %w\n%s", err, out)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return Archive{}, err
	}
	return Pack(content, goarch)
}

// Pack packs what is to run as "bootstrap".
func Pack(bootstrap []byte, goarch string) (Archive, error) {
	architecture := Architecture(goarch)
	if architecture == "" {
		return Archive{}, fmt.Errorf("no function of Lambda's runs on %s: take arm64 or amd64", goarch)
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	file, err := z.CreateHeader(header)
	if err != nil {
		return Archive{}, err
	}
	if _, err := file.Write(bootstrap); err != nil {
		return Archive{}, err
	}
	if err := z.Close(); err != nil {
		return Archive{}, err
	}
	return Archive{packed.Bytes(), architecture}, nil
}

// Architecture is Lambda's word for an architecture of Go's; "" if it has none.
func Architecture(goarch string) string {
	return map[string]string{"arm64": "arm64", "amd64": "x86_64"}[goarch]
}
