package mauticserver

import (
	"fmt"
	"net/http"
)

// BehindBasicAuth puts an HTTP basic authentication of its own in front of Mautic,
// as web servers offer it: see Options.Wrap. It hands the header on to Mautic.
// Requests for which open is true are let through without; nil: none.
func BehindBasicAuth(user, password string, open func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			gotUser, gotPassword, ok := r.BasicAuth()
			if ok && gotUser == user && gotPassword == password || open != nil && open(r) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="Staff only"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "<html><head><title>401 Authorization Required</title></head></html>")
		})
	}
}
