package ledger

import (
	"errors"
	"slices"
	"strings"
)

// A Book is the whole ledger of a secret.
type Book struct {
	Pages []Page // by version id
	used  int    // labels of the secret, over all its versions
}

// Read finds the ledger among the labels of a secret's versions, as DescribeSecret lists them. A
// label with the ledger's prefix that cannot be parsed is an error: no decision is made on an
// incomplete ledger.
func Read(labels map[string][]string) (Book, error) {
	var b Book
	var faults []error
	for version, stages := range labels {
		b.used += len(stages)
		page, found := Page{}, false
		for _, label := range stages {
			p, ours, err := parse(version, label)
			switch {
			case err != nil:
				faults = append(faults, err)
			case !ours:
			case found:
				page = merge(page, p)
			default:
				page, found = p, true
			}
		}
		if found {
			slices.Sort(page.Labels)
			b.Pages = append(b.Pages, page)
		}
	}
	slices.SortFunc(b.Pages, func(x, y Page) int { return strings.Compare(x.Version, y.Version) })
	slices.SortFunc(faults, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return b, errors.Join(faults...)
}

// Page returns what the ledger says about a version. The page is empty if it says nothing.
func (b Book) Page(version string) Page {
	at := slices.IndexFunc(b.Pages, func(p Page) bool { return p.Version == version })
	if at < 0 {
		return Page{Version: version}
	}
	return b.Pages[at]
}

// Rollout returns the secret's rollout: the latest one that any label records.
func (b Book) Rollout() (r Rollout) {
	for _, p := range b.Pages {
		r = laterRollout(r, p.Rollout)
	}
	return r
}

// Free returns how many more versions can get a label, with SpareSlots left over.
func (b Book) Free() int { return MaxLabels - SpareSlots - b.used }
