package gateway

import (
	"testing"
	"time"
)

func TestResent(t *testing.T) {
	var r resent
	began := time.Now()
	has := func(domain string, after time.Duration, want bool) {
		t.Helper()
		if got := r.has(domain, began.Add(after)); got != want {
			t.Errorf("after %v %s is there: %t", after, domain, got)
		}
	}
	has("a", 0, false)
	r.add("a", began)
	has("a", resentFor, true)
	has("a", resentFor+1, false)
	has("b", 0, false)
	r.add("b", began.Add(resentFor+1))
	if len(r.until) != 1 {
		t.Errorf("what is over is kept: %v", r.until)
	}
	has("b", 2*resentFor, true)
}
