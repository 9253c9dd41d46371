package ecs

// rollout is what a service has and wants, as far as its next moves depend on it.
type rollout struct {
	desired        int
	minimumPercent int // of desired that is to be healthy throughout
	maximumPercent int // of desired that there may be
	deployment     string
	tasks          []rolloutTask // those that are not to stop already
}

type rolloutTask struct {
	deployment string
	healthy    bool
}

// plan tells how many tasks to start and which, by their index, to stop. Tasks of older deployments, and those beyond
// the desired number, go at once if they are not healthy, else as soon as enough others are.
func (r rollout) plan() (start int, stop []int) {
	healthy, mine := 0, 0
	for _, t := range r.tasks {
		if t.healthy {
			healthy++
		}
		if t.deployment == r.deployment {
			mine++
		}
	}
	least := (r.desired*r.minimumPercent + 99) / 100
	most := r.desired * r.maximumPercent / 100
	start = max(min(r.desired-mine, most-len(r.tasks)), 0)

	for _, wanted := range []bool{false, true} { // first those that are not healthy
		for i, t := range r.tasks {
			own := t.deployment == r.deployment
			if t.healthy != wanted || own && mine <= r.desired || t.healthy && healthy <= least {
				continue
			}
			stop = append(stop, i)
			if own {
				mine--
			}
			if t.healthy {
				healthy--
			}
		}
	}
	return start, stop
}

// planBeside is plan for the strategies that run old and new tasks side by side: old ones go when the bake is over, and all at
// once.
func (r rollout) planBeside(baked bool) (start int, stop []int) {
	mine := 0
	for i, t := range r.tasks {
		switch own := t.deployment == r.deployment; {
		case own && mine < r.desired:
			mine++
		case own || baked:
			stop = append(stop, i)
		}
	}
	return r.desired - mine, stop
}

// up tells whether the deployment has as many healthy tasks as are desired.
func (r rollout) up() bool {
	healthy := 0
	for _, t := range r.tasks {
		if t.deployment == r.deployment && t.healthy {
			healthy++
		}
	}
	return healthy >= r.desired
}

// complete tells whether the deployment has replaced all others and stands.
func (r rollout) complete() bool {
	healthy := 0
	for _, t := range r.tasks {
		if t.deployment != r.deployment {
			return false
		}
		if t.healthy {
			healthy++
		}
	}
	return healthy == r.desired && len(r.tasks) == r.desired
}
