package gateway

import (
	"testing"
	"time"
)

func TestOriginals(t *testing.T) {
	var o originals
	began := time.Now()
	has := func(domain string, after time.Duration, want bool) {
		t.Helper()
		if got := o.has(domain, began.Add(after)); got != want {
			t.Errorf("after %v %s is there: %t", after, domain, got)
		}
	}
	has("a", 0, false)
	o.add("a", began)
	has("a", originalFor, true)
	has("a", originalFor+1, false)
	has("b", 0, false)
	o.add("b", began.Add(originalFor+1))
	if len(o.until) != 1 {
		t.Errorf("what is over is kept: %v", o.until)
	}
	has("b", 2*originalFor, true)
}
