//go:build openstack

// Demo tells the story of an instance that boots from the network on a real OpenStack:
// without virt-netboot, with it, and with the boot file that OpenStack's own DHCP names.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"

	"github.com/virt-netboot/virt-netboot/e2e/openstack"
	"github.com/virt-netboot/virt-netboot/e2e/picture"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if os.Getuid() != 0 {
		return errors.New("a container needs root")
	}
	heading("A cloud: keystone, glance, placement, nova, neutron, all on one node")
	c, err := openstack.Open(ctx, openstack.LinuxBridge, func(text string) { say("time", text) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s := &story{cloud: c}
	for _, chapter := range []func(context.Context) error{s.tenant, s.without, s.with, s.filtered, s.thirdWay} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// story is the demo step by step.
type story struct {
	cloud  *openstack.Cloud
	net    openstack.Net
	server *openstack.Machine
	told   int
}

const (
	tenantAddress = "10.77.0.1"
	shipped       = "packaging/dhcp/"
)

// tenant makes a network with the tenant's own server.
func (s *story) tenant(ctx context.Context) error {
	heading("A tenant's network, with its own DHCP and web server")
	lines, err := os.ReadFile(shipped + "openstack/neutron-dnsmasq.conf")
	if err != nil {
		return err
	}
	if err := s.cloud.ConfigureDnsmasq(string(lines)); err != nil {
		return err
	}
	say("operator", "two lines in /etc/neutron/dnsmasq.conf: OpenStack's dnsmasq ignores iPXE")
	if s.net, err = s.cloud.Tenant.AddNet(ctx, "lab", "10.1.0.0/24", true); err != nil {
		return err
	}
	if s.server, err = s.cloud.AddMachine(ctx, s.net, openstack.Port{}.Open(), "server", tenantAddress+"/24"); err != nil {
		return err
	}
	conf, err := os.ReadFile(shipped + "tenant/dhcpd.conf")
	if err != nil {
		return err
	}
	if err := errors.Join(s.server.ServeWeb(openstack.Script(tenantAddress)), s.server.ServeDHCP(string(conf))); err != nil {
		return err
	}
	say("tenant", "openstack network create lab; openstack subnet create … 10.1.0.0/24")
	say("tenant", "a server at "+tenantAddress+", on a port without port security: dhcpd, boot.ipxe over HTTP")
	return nil
}

// without boots an instance on a node without virt-netboot.
func (s *story) without(ctx context.Context) error {
	heading("An instance, without virt-netboot")
	i, err := s.instance(ctx, s.net, openstack.Port{}.Open(), s.server)
	if err != nil {
		return err
	}
	if err := s.picture(i, "demo/openstack-without.png"); err != nil {
		return err
	}
	return i.Delete(ctx)
}

// with boots another one on the same node with it.
func (s *story) with(ctx context.Context) error {
	heading("The same, with virt-netboot")
	debs, err := filepath.Glob("dist/virt-netboot_*.deb")
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("packages in dist: %v, %w", debs, err)
	}
	if err := errors.Join(s.cloud.Install(debs[0]), s.cloud.Enable(ctx)); err != nil {
		return err
	}
	say("operator", "apt install ./virt-netboot.deb; virt-netboot enable")
	i, err := s.instance(ctx, s.net, openstack.Port{}.Open(), s.server)
	if err != nil {
		return err
	}
	if err := s.picture(i, "demo/openstack-with.png"); err != nil {
		return err
	}
	return i.Delete(ctx)
}

// filtered boots one whose port has port security, as every port has by default.
func (s *story) filtered(ctx context.Context) error {
	heading("A port with port security, the default")
	i, err := s.instance(ctx, s.net, openstack.Port{}, s.server)
	if err != nil {
		return err
	}
	e, err := i.Explain(tenantAddress + "/24")
	if err != nil {
		return err
	}
	say("explain", e.Kind+": "+e.Text)
	say("to do", e.Do)
	return i.Delete(ctx)
}

// thirdWay has OpenStack's own DHCP name the boot file, with port security on.
func (s *story) thirdWay(ctx context.Context) error {
	heading("No second DHCP server: OpenStack's names the boot file, port security stays on")
	if err := s.cloud.ConfigureDnsmasq(""); err != nil {
		return err
	}
	say("operator", "takes the two lines out again: a dnsmasq that ignores iPXE gives it no boot file")
	n, err := s.cloud.Tenant.AddNet(ctx, "third", "10.20.0.0/24", true)
	if err != nil {
		return err
	}
	const web = "10.20.0.77"
	server, err := s.cloud.AddMachine(ctx, n, openstack.Port{"fixed_ips": []map[string]string{{"ip_address": web}}}, "web", web+"/24")
	if err != nil {
		return err
	}
	if err := errors.Join(server.ServeWeb(openstack.Script(web)), s.cloud.Tenant.Allow(ctx, rules.ProtocolTCP, 80, "")); err != nil {
		return err
	}
	url := "http://" + web + "/boot.ipxe"
	say("tenant", "openstack port create --extra-dhcp-option name=bootfile-name,value="+url+" …")
	if err := s.cloud.AwaitDHCP(ctx, n, ""); err != nil {
		return err
	}
	i, err := s.instance(ctx, n, openstack.Port{}.BootFile(url, web), server)
	if err != nil {
		return err
	}
	verdicts, err := i.Probe("brq" + n.ID[:11])
	if err != nil {
		return err
	}
	say("probe", strings.Join(verdicts, ", "))
	return i.Delete(ctx)
}

// instance has Nova make one, and tells what it boots.
func (s *story) instance(ctx context.Context, n openstack.Net, p openstack.Port, m *openstack.Machine) (*openstack.Instance, error) {
	port, err := s.cloud.Tenant.AddPort(ctx, n, p)
	if err != nil {
		return nil, err
	}
	s.told++
	began := time.Now()
	i, err := s.cloud.AddInstance(ctx, fmt.Sprintf("instance-%d", s.told), port)
	if err != nil {
		return nil, err
	}
	say("nova", fmt.Sprintf("openstack server create … : %s is ACTIVE (%s)", i.Domain, time.Since(began).Round(time.Second)))
	booted, err := i.Boots(ctx, m)
	if err != nil {
		return nil, err
	}
	how := "its serial console says DISK BOOTED"
	if booted == openstack.BootedScript {
		how = "the web server saw it ask for the script, and then what the script asks for"
	}
	say("guest", fmt.Sprintf("boots the %s: %s (%s)", strings.ToUpper(string(booted)), how, time.Since(began).Round(time.Second)))
	return i, nil
}

// picture takes one of the guest's screen.
func (s *story) picture(i *openstack.Instance, file string) error {
	if _, err := s.cloud.Try("virsh", "screenshot", i.Domain, "/root/screen"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	screenshot, err := os.ReadFile(s.cloud.Path("/root/screen"))
	if err != nil {
		return err
	}
	png, err := picture.PNG(screenshot)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		return err
	}
	say("picture", file)
	return nil
}

func heading(text string) { fmt.Printf("\n\x1b[1m%s\x1b[0m\n", text) }

// say prints a text after its label, in lines of 80 characters.
func say(label, text string) {
	const width = 80 - len("  label     ")
	for len(text) > width && strings.Contains(text[:width], " ") {
		at := strings.LastIndex(text[:width], " ")
		fmt.Printf("  %-8s  %s\n", label, text[:at])
		label, text = "", text[at+1:]
	}
	fmt.Printf("  %-8s  %s\n", label, text)
}
