package localaws_test

import (
	"testing"
	"time"

	"mautic-rotation/internal/localaws/iam"
	"mautic-rotation/internal/localaws/localtest"
)

func TestIAMIsCalledWithoutAServer(t *testing.T) {
	t.Parallel()
	world := localtest.NewWorld()
	s := iam.New(world.Env(1), iam.Options{Propagation: time.Minute})
	if err := s.AddUser(iam.User{Name: "mautic-smtp"}); err != nil {
		t.Fatal(err)
	}
	created, err := s.CreateAccessKey(t.Context(), iam.CreateAccessKeyInput{UserName: "mautic-smtp"})
	if err != nil {
		t.Fatal(err)
	}
	id := created.AccessKey.AccessKeyID
	accepted := func() bool {
		secret, active := s.KeyAccepts(id)
		return active && secret == created.AccessKey.SecretAccessKey
	}
	if accepted() {
		t.Error("a new key is accepted at once")
	}
	world.Now = world.Now.Add(time.Minute)
	if !accepted() {
		t.Error("a new key is not accepted once that has spread")
	}
	if _, err := s.DeleteAccessKey(t.Context(), iam.DeleteAccessKeyInput{UserName: "mautic-smtp", AccessKeyID: id}); err != nil {
		t.Fatal(err)
	}
	list, err := s.ListAccessKeys(t.Context(), iam.ListInput{UserName: "mautic-smtp"})
	if err != nil || len(list.Keys) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	again := iam.New(localtest.NewWorld().Env(1), iam.Options{})
	if err := again.AddUser(iam.User{Name: "mautic-smtp"}); err != nil {
		t.Fatal(err)
	}
	if key, err := again.AddAccessKey("mautic-smtp"); err != nil || key.ID != id {
		t.Errorf("the same seed gives key %s, %v, want %s", key.ID, err, id)
	}
}
