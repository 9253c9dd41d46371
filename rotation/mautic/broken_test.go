package mautic

import (
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

func TestWhereTheRotationItselfShutsMauticOutWhatIsStoredHasToDo(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		broken := f.mautic(apiOn)
		broken.SetPassword("the one before")
		stored, access := f.access(), f.access()
		access.URL = broken.URL()
		f.needs(healthOf(f.t, access.URL).Check(f.t.Context()), "answers 500", "most often cannot log in to its database")
		for name, tc := range map[string]struct {
			set, test credential.Kind
			change    credential.Change
		}{
			"admin": {f.admin(stored), f.admin(access), f.adminChange()},
			"api":   {NewAPI(APIConfig{Access: stored}), NewAPI(APIConfig{Access: access}), f.apiChange(NewAPI(APIConfig{Access: stored}))},
		} {
			if err := tc.set.Set(f.t.Context(), tc.change); err != nil {
				f.t.Fatal(err)
			}
			f.needs(tc.test.Test(f.t.Context(), tc.change), "Mautic is broken")

			singly := tc.change
			singly.Current = f.withPassword(tc.change.Current, "refused")
			if err := tc.test.Test(f.t.Context(), singly); err != nil || !strings.Contains(f.log.String(), "until its tasks have the new database password") {
				f.t.Errorf("%s: %v", name, err)
			}
			f.expect(tc.test, credential.Accepted, tc.change.Pending)
		}
		wrong := f.apiDoc(f.seed.PublicClientID(), "wrong")
		f.expect(NewAPI(APIConfig{Access: access}), credential.Denied, wrong)
	})
}

// withPassword is a document with another password for the database.
func (f *fixture) withPassword(d document.Document, password string) document.Document {
	f.t.Helper()
	next, err := d.Put("/database_password", password)
	if err != nil {
		f.t.Fatal(err)
	}
	return next
}
