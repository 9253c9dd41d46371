package packaging

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Zip packs the function's binary as Lambda's runtime provided.al2023 takes it:
// executable, and called bootstrap. The same binary gives the same bytes, whenever
// and wherever: so CloudFormation replaces code only when it has changed.
func Zip(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o755)
	file, err := archive.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(binary); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Key is a key in S3 that changes with the zip's content. CloudFormation compares
// bucket and key, and never looks inside: under a key that stays, it would keep the
// code that it has.
func Key(zipped []byte) string {
	sum := sha256.Sum256(zipped)
	return "mautic-rotation-" + hex.EncodeToString(sum[:8]) + ".zip"
}
