package cloud

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A Clock knows by how much AWS's clock differs from this machine's, from the date of each of its answers. The log
// is asked for by AWS's time, and so is whether a moment is to come.
type Clock struct{ ahead atomic.Int64 }

// exact is how well an answer's date tells AWS's time: it is in whole seconds, and the answer takes
// its time.
const exact = time.Minute

// Ahead is by how much AWS's clock is ahead of this machine's; 0 before its first answer, and where that
// may only be the answer's own delay.
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
