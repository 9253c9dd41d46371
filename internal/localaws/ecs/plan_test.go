package ecs

import (
	"slices"
	"testing"
)

func TestARolloutKeepsItsPercentages(t *testing.T) {
	t.Parallel()
	old, oldDown := rolloutTask{"old", true}, rolloutTask{"old", false}
	fresh, freshDown := rolloutTask{"new", true}, rolloutTask{"new", false}
	for name, c := range map[string]struct {
		desired, least, most int
		tasks                []rolloutTask
		start                int
		stop                 []int
		complete             bool
	}{
		"nothing runs":                              {2, 100, 200, nil, 2, nil, false},
		"the new ones are started first":            {2, 100, 200, []rolloutTask{old, old}, 2, nil, false},
		"the old ones wait for the new":             {2, 100, 200, []rolloutTask{old, old, freshDown, freshDown}, 0, nil, false},
		"one new one lets one old one go":           {2, 100, 200, []rolloutTask{old, old, fresh, freshDown}, 0, []int{0}, false},
		"all new ones let all old ones go":          {2, 100, 200, []rolloutTask{old, old, fresh, fresh}, 0, []int{0, 1}, false},
		"an old one that is down goes at once":      {2, 100, 200, []rolloutTask{oldDown, old}, 2, []int{0}, false},
		"all new":                                   {2, 100, 200, []rolloutTask{fresh, fresh}, 0, nil, true},
		"all new, one not healthy":                  {2, 100, 200, []rolloutTask{fresh, freshDown}, 0, nil, false},
		"below 100 percent old ones go first":       {2, 50, 100, []rolloutTask{old, old}, 0, []int{0}, false},
		"and then new ones come":                    {2, 50, 100, []rolloutTask{old}, 1, nil, false},
		"at 0 percent all old ones go":              {1, 0, 100, []rolloutTask{old}, 0, []int{0}, false},
		"healthy counts round up":                   {3, 50, 100, []rolloutTask{old, old, old}, 0, []int{0}, false},
		"fewer wanted":                              {1, 100, 200, []rolloutTask{fresh, fresh}, 0, []int{0}, false},
		"fewer wanted, and one that is not healthy": {1, 100, 200, []rolloutTask{fresh, freshDown}, 0, []int{1}, false},
		"none wanted":                               {0, 100, 200, []rolloutTask{fresh}, 0, []int{0}, false},
		"none wanted, none there":                   {0, 100, 200, nil, 0, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rollout{c.desired, c.least, c.most, "new", c.tasks}
			start, stop := r.plan()
			if start != c.start || !slices.Equal(stop, c.stop) {
				t.Errorf("start %d, stop %v; want %d, %v", start, stop, c.start, c.stop)
			}
			if r.complete() != c.complete {
				t.Errorf("complete: %v", !c.complete)
			}
		})
	}
}
