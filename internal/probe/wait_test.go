package probe

import (
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	proxy := Offer{Client: IPXE, Proxy: true}
	ipxe, ordinary := Offer{Client: IPXE}, Offer{Client: Ordinary}
	for _, tc := range []struct {
		name   string
		o      Options
		offers []Offer
		want   time.Duration
	}{
		{"no server has answered", Options{Timeout: Patience}, nil, 15 * time.Second},
		{"iPXE waits", Options{Timeout: Patience}, []Offer{ordinary}, 15 * time.Second},
		{"OpenStack's server is not heard", Options{Timeout: Patience}, []Offer{ipxe, ipxe}, 15 * time.Second},
		{"there is none to hear", Options{Timeout: Patience, NoOpenStack: true}, []Offer{ipxe}, 5 * time.Second},
		{"there is none, and iPXE waits", Options{Timeout: Patience, NoOpenStack: true}, []Offer{ordinary}, 15 * time.Second},
		{"both are answered", Options{Timeout: Patience}, []Offer{ordinary, ipxe}, 5 * time.Second},
		{"a proxyDHCP server has answered", Options{Timeout: Patience, NoOpenStack: true}, []Offer{proxy}, 15 * time.Second},
		{"both are answered, but less was asked for", Options{Timeout: time.Second}, []Offer{ordinary, ipxe}, time.Second},
	} {
		if got := tc.o.wait(tc.offers); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}
