package rotation

import (
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation/document"
)

// rotatedAt is the block of the document that records when each kind was last rotated: for the
// schedule, for a kind that has to wait between two rotations, and for people.
const (
	rotatedAtBlock = document.Pointer("/rotated_at")
	rotatedAt      = string(rotatedAtBlock) + "/"
)

// hasRoomForNotes reports whether the block is an object, or can be made. It cannot if someone
// else's field has its name; that is left alone.
func hasRoomForNotes(d document.Document) bool {
	object, err := d.IsObject(rotatedAtBlock)
	return errors.Is(err, document.ErrMissing) || err == nil && object
}

// lastRotated reads the block. What is not a time counts as not known.
func lastRotated(d document.Document, kinds []string) map[string]time.Time {
	last := map[string]time.Time{}
	for _, name := range kinds {
		text, err := d.Text(document.Pointer(rotatedAt + name))
		if err != nil {
			continue
		}
		if at, err := time.Parse(time.RFC3339, text); err == nil && at.UTC().Year() <= 9999 { // which JSON can write
			last[name] = at
		}
	}
	return last
}

// noteRotated writes the block.
func noteRotated(d document.Document, kinds []string, at time.Time) (document.Document, error) {
	var err error
	for _, name := range kinds {
		if d, err = d.Put(document.Pointer(rotatedAt+name), at.UTC().Format(time.RFC3339)); err != nil {
			return document.Document{}, fmt.Errorf("note when the kinds were rotated: %w", err)
		}
	}
	return d, nil
}
