package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// Enable is the remedy for what is so until the node is enabled.
const Enable = "virt-netboot enable"

// checkTimeout is how long one check may wait for libvirt and other programs.
const checkTimeout = 10 * time.Second

// Level is how well something is. As a number it is doctor's exit status.
type Level int

// The levels, best first.
const (
	OK Level = iota
	Warning
	Failure
)

// String is ok, warning or failure.
func (l Level) String() string { return [...]string{"ok", "warning", "failure"}[l] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Result is what a check found about one thing.
type Result struct {
	Check string `json:"check"` // one of Doctor.Checks
	Level Level  `json:"level"`
	// Found is what is so, in a clause; for a wrong configuration the mistakes,
	// each with its line and a caret.
	Found string `json:"found"`
	// Remedy is the one thing to do about it: a command, or a sentence. It is
	// empty where nothing is to be done.
	Remedy string `json:"remedy,omitempty"`
}

// Doctor examines a node.
type Doctor struct {
	Host
	// LoadConfig reads the configuration; see package internal/config.
	LoadConfig func() (config.Config, error)
	// ConfigPath is the file that it reads.
	ConfigPath string
	// DefaultUpstream returns the socket that an empty gateway.upstream stands
	// for, and that libvirt's clients use unless told otherwise.
	DefaultUpstream func() string
	// Taking: the gateway is about to get libvirt's usual path.
	Taking bool
	// Version is this program's, which the hook and the agent must have too.
	Version string
	// HookProgram is the path of the qemu-hook to install.
	HookProgram string
	// Agent asks the agent; see status.Node.
	Agent func(context.Context) (status.Status, error)
}

// Examine makes all checks, in an order in which a cause comes before what it
// entails.
func (d Doctor) Examine(ctx context.Context) []Result {
	n := d.newNode(ctx)
	var all []Result
	for _, c := range checks() {
		for _, r := range n.make(ctx, c) {
			r.Check = c.name
			all = append(all, r)
		}
	}
	return all
}

// Worst is the worst level of the results.
func Worst(results []Result) Level {
	worst := OK
	for _, r := range results {
		worst = max(worst, r.Level)
	}
	return worst
}

// check is one examination. It returns a result for each thing it looked at.
type check struct {
	name        string
	needsConfig bool
	run         func(context.Context, *node) []Result
}

func checks() []check {
	return []check{
		{"config", false, checkConfig},
		{"hook-installed", false, checkHookInstalled},
		{"hook-found", false, checkHookFound},
		{"agent", false, checkAgent},
		{"libvirt", true, checkLibvirt},
		{"gateway", true, checkGateway},
		{"polkit", false, checkPolkit},
		{"nova", true, checkNova},
		{"option-rom", false, checkROM},
		{"option-rom-readable", false, checkROMReadable},
		{"dnsmasq", false, checkDnsmasq},
		{"nwfilter", true, checkNWFilters},
		{"files", true, checkFiles},
		{"reconcile", false, checkReconcile},
		{"boot", false, checkBoot},
	}
}

// node is what the checks share.
type node struct {
	Doctor
	config    config.Config
	configErr error
	// daemon is libvirt as it answers on its own socket.
	daemon    Daemon
	daemonErr error
	agent     status.Status
	agentErr  error
}

func (d Doctor) newNode(ctx context.Context) *node {
	n := &node{Doctor: d}
	n.config, n.configErr = d.LoadConfig()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	n.daemon, n.daemonErr = d.describe(ctx, n.upstream())
	n.agent, n.agentErr = d.Agent(ctx)
	return n
}

// upstream is the path of libvirt's own socket.
func (n *node) upstream() string {
	if n.configErr == nil && n.config.Gateway.Upstream != "" {
		return n.config.Gateway.Upstream
	}
	return n.DefaultUpstream()
}

func (n *node) make(ctx context.Context, c check) []Result {
	if c.needsConfig && n.configErr != nil {
		return one(warning("fix the configuration first", "not checked, since the configuration cannot be read"))
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return c.run(ctx, n)
}

func one(r Result) []Result { return []Result{r} }

func ok(format string, args ...any) Result {
	return Result{Level: OK, Found: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) Result {
	return Result{Level: Warning, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

func failure(remedy, format string, args ...any) Result {
	return Result{Level: Failure, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}
