package wire

import (
	"encoding/base64"
	"strconv"
)

// Page cuts one page of a list. A token is the position to go on from, made opaque; an error means that it is not one of
// these.
func Page[T any](list []T, size, most int, token string) (part []T, next string, err error) {
	if size <= 0 || size > most {
		size = most
	}
	from := 0
	if token != "" {
		text, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return nil, "", err
		}
		if from, err = strconv.Atoi(string(text)); err != nil {
			return nil, "", err
		}
	}
	from = min(max(from, 0), len(list))
	to := min(from+size, len(list))
	if to < len(list) {
		next = base64.StdEncoding.EncodeToString(strconv.AppendInt(nil, int64(to), 10))
	}
	part = list[from:to:to]
	if part == nil {
		part = []T{} // an empty list, not null
	}
	return part, next, nil
}
