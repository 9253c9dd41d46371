package cloud

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A Clock knows how far AWS's clock is ahead of this machine's, from the Date header of each answer. Queries of the
// log use AWS's time, and so does the check whether a time is in the future.
type Clock struct{ ahead atomic.Int64 }

// exact is the smallest difference that counts: a Date header has whole seconds, and an answer takes
// time to arrive.
const exact = time.Minute

// Ahead is how far AWS's clock is ahead of this machine's; 0 before the first answer, and where the difference
// may only be the answer's delay.
func (c *Clock) Ahead() time.Duration {
	if d := time.Duration(c.ahead.Load()); d.Abs() >= exact {
		return d
	}
	return 0
}

// watch adds the clock to the calls of a client.
func (c *Clock) watch(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("mautic-rotation:clock", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if response, ok := out.RawResponse.(*smithyhttp.Response); ok {
			if date, fault := http.ParseTime(response.Header.Get("Date")); fault == nil {
				c.ahead.Store(int64(time.Until(date)))
			}
		}
		return out, metadata, err
	}), middleware.After)
}
