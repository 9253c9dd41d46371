package awscli

import "testing"

func TestTheVersionIsTheSecond(t *testing.T) {
	t.Parallel()
	if version, err := pinned.Choose([]string{"1:1.22.34-1", "2.9.19-1"}); err != nil || version != "2.9.19-1" {
		t.Errorf("%q, %v", version, err)
	}
	if version, err := pinned.Choose([]string{"1.22.34-1"}); err == nil {
		t.Errorf("of version 1 alone it chooses %q", version)
	}
}
