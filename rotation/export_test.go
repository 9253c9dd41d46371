package rotation

import "time"

// RetryQuickly is for a stand-in that does not lag.
func (r *Rotator) RetryQuickly() { r.retry.pause = time.Millisecond }
