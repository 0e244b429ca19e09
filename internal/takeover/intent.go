package takeover

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// IntentPath is the file that is there from before the first step of a change until
// after its last one.
const IntentPath = "/var/lib/virt-netboot/intent"

// Intent is what a change makes of the node, and what of the node has to be known to
// finish it when it was cut.
type Intent struct {
	// Daemon is the name of libvirt's daemon whose usual path the gateway gets; "" is
	// that libvirt gets it back.
	Daemon string `json:"daemon,omitempty"`
	// Mode is the mode that the configuration gets; "" leaves it.
	Mode config.Mode `json:"mode,omitempty"`
	// Active and Files are the State's of before the first step.
	Active []string `json:"active,omitempty"`
	Files  []string `json:"files,omitempty"`
}

// daemon returns the daemon that the gateway is to stand in front of, if it is.
func (i Intent) daemon() (Daemon, bool) {
	n := slices.IndexFunc(Daemons(), func(d Daemon) bool { return d.Name == i.Daemon })
	if n < 0 {
		return Daemon{}, false
	}
	return Daemons()[n], true
}

// encode is the content of the intent's file.
func (i Intent) encode() (string, error) {
	b, err := json.Marshal(i)
	if err != nil {
		return "", fmt.Errorf("encoding what is to be done: %w", err)
	}
	return string(b) + "\n", nil
}

// parseIntent reads the content of the intent's file. One that is not whole, as another
// program's power cut may leave it, is to disable: libvirt gets its usual path back, and
// nothing is changed any more.
func parseIntent(b []byte) Intent {
	var i Intent
	if err := json.Unmarshal(b, &i); err != nil {
		return Intent{Mode: config.ModeObserve}
	}
	return i
}

// union has the elements of both lists, each once.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
