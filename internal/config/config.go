// Package config reads /etc/virt-netboot/config.yaml, the file that says which
// domains virt-netboot changes and how. Every mistake in it is an [Error] with its line,
// its column and what is allowed there.
//
// qemu-hook reads this file each time libvirt calls it, so the package imports
// little and decodes without reflection.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// DefaultPath is the file that every program reads unless told otherwise.
const DefaultPath = "/etc/virt-netboot/config.yaml"

// maxSize limits how much is read of a path that is not a configuration, such as
// /dev/zero: 1 MiB is about 20,000 rules.
const maxSize = 1 << 20

// Config is the whole file.
type Config struct {
	Mode     Mode
	Existing Existing
	Gateway  Gateway
	// Rules decide in their order; without any, no domain is changed.
	Rules   []domainxml.Rule
	Files   []File
	Metrics Metrics
	Log     Log
}

// Mode says whether anything is changed.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "enforce"
	ModeObserve Mode = "observe" // nothing is changed; what would be is logged
)

// Existing says what becomes of a domain that was there before the rules applied.
type Existing string

// What can become of it.
const (
	ExistingKeep Existing = "keep" // it stays as it is, until virt-netboot apply or until a client defines it
	ExistingSync Existing = "sync" // the reconciler applies the rules to it
)

// Gateway says where the gateway listens and which socket of libvirt's it is in front of.
type Gateway struct {
	// Listen is the path of the gateway's unix socket.
	Listen string
	// Upstream is the path of libvirt's unix socket. "" is
	// /run/libvirt/virtqemud-sock where that exists, and
	// /run/libvirt/libvirt-sock elsewhere.
	Upstream string
	// OnRefusal is what a client gets when libvirt refuses what the rules made of
	// its domain.
	OnRefusal OnRefusal
}

// OnRefusal is the value of the gateway's on_refusal key.
type OnRefusal string

// What a client gets when libvirt refuses a rewritten call.
const (
	RefusalOriginal OnRefusal = "original" // libvirt's answer to the original
	RefusalError    OnRefusal = "error"    // libvirt's refusal
)

// File is a file of Nova's that the agent keeps patched.
type File struct {
	Path string
	Kind FileKind
}

// FileKind says how a file is patched.
type FileKind string

// The kinds of files.
const (
	KindNovaTemplate FileKind = "nova-template" // Nova's libvirt.xml.template, up to Essex
	KindDnsmasq      FileKind = "dnsmasq"       // the file of nova.conf's dnsmasq_config_file
)

// Metrics says where Prometheus finds the metrics.
type Metrics struct {
	// Listen is the host:port of the HTTP server; "" turns it off.
	Listen string
}

// Log says what is logged, and how.
type Log struct {
	Level  LogLevel
	Format LogFormat
}

// LogLevel is the least important level that is logged, by logrus's names.
type LogLevel string

// The levels, most important first.
const (
	LevelError LogLevel = "error"
	LevelWarn  LogLevel = "warn"
	LevelInfo  LogLevel = "info"
	LevelDebug LogLevel = "debug"
	LevelTrace LogLevel = "trace"
)

// LogFormat is the form of a log line where there is no journal.
type LogFormat string

// The formats.
const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Default is the configuration without a file: nothing is changed.
func Default() Config {
	return Config{
		Mode:     ModeObserve,
		Existing: ExistingKeep,
		Gateway:  Gateway{Listen: "/run/virt-netboot/libvirt-sock", OnRefusal: RefusalOriginal},
		Rules:    []domainxml.Rule{domainxml.DefaultRule()},
		Files: []File{
			{Path: "/etc/nova/libvirt.xml.template", Kind: KindNovaTemplate},
			{Path: "/etc/nova/dnsmasq.conf", Kind: KindDnsmasq},
		},
		Metrics: Metrics{Listen: "127.0.0.1:9178"},
		Log:     Log{Level: LevelInfo, Format: FormatText},
	}
}

// Policy is the file's rules as domainxml applies them, in the file's mode.
func (c Config) Policy() domainxml.Policy {
	return domainxml.Policy{Rules: c.Rules, Observe: c.Mode == ModeObserve}
}

// omitted is the value of every key that a file omits. One that has rules means them to
// apply.
func omitted() Config {
	c := Default()
	c.Mode = ModeEnforce
	return c
}

// Load reads the file at path; a missing one is Default. Mistakes in it are returned as
// Errors.
func Load(path string) (Config, error) {
	c, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil
	}
	return c, err
}

// Read is Load for a file that must be there: a missing one is an error that
// wraps fs.ErrNotExist.
func Read(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(b) > maxSize {
		return Config{}, fmt.Errorf("reading the configuration: %s is larger than %d KiB, so it is not a configuration", path, maxSize>>10)
	}
	return Parse(path, b)
}
