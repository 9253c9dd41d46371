// Package arn reads the names in ARNs.
package arn

import "strings"

// SecretName is the name in a secret's ARN, without the hyphen and six characters that Secrets Manager appends.
func SecretName(arn string) string {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	if end := strings.LastIndexByte(name, '-'); end > 0 && len(name)-end == 7 {
		return name[:end]
	}
	return name
}
