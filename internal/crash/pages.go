package crash

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// pages wraps Mautic's pages, so that a trial's wire sees the requests.
type pages struct{ wire atomic.Pointer[wire] }

func (p *pages) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		w := p.wire.Load()
		if w == nil || request.UserAgent() == ownAgent {
			next.ServeHTTP(out, request)
			return
		}
		w.onPage(out, request, next)
	})
}

// onPage decides the fate of a request to Mautic.
func (w *wire) onPage(out http.ResponseWriter, request *http.Request, next http.Handler) {
	moment, fault := w.next("mautic " + request.Method + " " + request.URL.Path)
	switch fault {
	case ErrorBefore:
		http.Error(out, "injected", http.StatusInternalServerError)
		return
	case KilledBefore:
		w.kill()
		panic(http.ErrAbortHandler) // closes the connection
	case AppliedLate:
		w.neverLate()
	case Duplicated:
		w.repeat()
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, request)
	w.check("after " + moment)
	switch fault {
	case KilledAfter:
		w.kill()
		panic(http.ErrAbortHandler)
	case ReplyLost:
		panic(http.ErrAbortHandler)
	case Deadline:
		<-w.over
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		out.Header()[name] = values
	}
	out.WriteHeader(answer.Code)
	_, _ = out.Write(answer.Body.Bytes()) // the function may have died
}
