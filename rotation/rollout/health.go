package rollout

import "errors"

// ErrUnclear tells that the application answered, but not as a healthy one does.
var ErrUnclear = errors.New("the application answers, but not as a healthy one does")
