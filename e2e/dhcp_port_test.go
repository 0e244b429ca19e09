package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/probe"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// answerArgs are what every probe of these tests is given.
func answerArgs(bridge string, more ...string) []string {
	return append([]string{"--bridge", bridge, "--timeout", answerTime.String()}, more...)
}

// asNobody runs a command as a user without any right but the capabilities given.
func asNobody(capabilities string, command []string) []string {
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"--inh-caps=-all" + capabilities, "--ambient-caps=-all" + capabilities, "--bounding-set=-all" + capabilities}, command...)
}

// TestProbeNeutron: Neutron's server is known by the addresses of its namespace,
// and an instance by its hosts file, to a probe with two capabilities and no other
// right.
func TestProbeNeutron(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		bridge := "brq" + strings.TrimPrefix(neutronNamespace, "qdhcp-")[:11]
		if err := l.AddBridge(t.Context(), bridge); err != nil {
			t.Fatal(err)
		}
		hosts := filepath.Join("/var/lib/neutron/dhcp", strings.TrimPrefix(neutronNamespace, "qdhcp-"), "host")
		makeDir(t, filepath.Dir(hosts))
		writeIn(t, filepath.Dir(hosts), "host", vmMAC+",host-10-1-0-3.openstacklocal,"+vmAddress+"\n")
		startNeutronAt(t, l, bridge, "", hosts)
		addMachine(t, l, "tenant", bridge, "eth0", tenantServer)
		startTenantDhcpd(t, "tenant", shipped(t, "tenant/dhcpd.conf"))

		command := probeProgram(answerArgs(bridge, "--json")...)
		status, stdout, stderr := runProbe(t, asNobody(",+net_admin,+net_raw", command))
		if status != 1 {
			t.Errorf("exit status %d: %s", status, stderr)
		}
		want := []string{
			"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
			"ipxe VM 10.1.0.2 OpenStack 10.1.0.0/24",
			"ipxe VM 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
			"ordinary VM 10.1.0.2 OpenStack 10.1.0.0/24",
		}
		if diff := cmp.Diff(want, answersOf(report(t, stdout))); diff != "" {
			t.Errorf("-want +got:\n%s%s", diff, stderr)
		}

		t.Run("by the namespace alone", func(t *testing.T) {
			// Another instance's address than the hosts file has for it.
			other := writeIn(t, serverDir(t), "hosts", vmMAC+",vm1,10.1.0.99\n")
			_, stdout, stderr := runProbe(t, asNobody(",+net_admin,+net_raw", append(command, "--hostsfile", other)))
			if diff := cmp.Diff(want, answersOf(report(t, stdout))); diff != "" {
				t.Errorf("-want +got:\n%s%s", diff, stderr)
			}
		})
		for missing, has := range map[string]string{"CAP_NET_ADMIN": ",+net_raw", "CAP_NET_RAW": ",+net_admin"} {
			status, _, stderr := runProbe(t, asNobody(has, command))
			if status != 2 || !strings.Contains(stderr, "the probe lacks "+missing+" ") || !strings.Contains(stderr, "setcap") {
				t.Errorf("without %s: exit status %d, %s", missing, status, stderr)
			}
		}
		noPortsLeft(t, l)
	})
}

func report(t *testing.T, stdout string) probe.Report {
	t.Helper()
	var r probe.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return r
}

// TestProbeVLAN: only the servers of the VLAN are asked, whether the bridge takes
// the VLANs apart or passes the tags through. A kernel without VLANs is named as
// the cause.
func TestProbeVLAN(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		for _, filters := range []bool{true, false} {
			t.Run(fmt.Sprintf("filters=%v", filters), func(t *testing.T) {
				bridge := fmt.Sprintf("br%v", filters)
				if err := l.AddBridge(t.Context(), bridge); err != nil {
					t.Fatal(err)
				}
				probeInVLAN := probeProgram(answerArgs(bridge, "--vlan", "40", "--openstack-server", "none")...)
				if !kernelHasVLANs(t, l, bridge, filters) {
					status, _, stderr := runProbe(t, probeInVLAN)
					if status != 2 || !strings.Contains(stderr, "joining VLAN 40: this kernel") {
						t.Errorf("exit status %d: %s", status, stderr)
					}
					noPortsLeft(t, l)
					return
				}
				in40, in41 := tenantInVLAN(t, l, bridge, 40, filters), tenantInVLAN(t, l, bridge, 41, filters)
				status, stdout, stderr := runProbe(t, probeInVLAN)
				if status != 0 {
					t.Errorf("exit status %d: %s%s", status, stdout, stderr)
				}
				if !bytes.Contains(in40.output(t), []byte("DHCPDISCOVER")) || bytes.Contains(in41.output(t), []byte("DHCPDISCOVER")) {
					t.Errorf("asked in VLAN 40:\n%s\nin VLAN 41:\n%s", in40.output(t), in41.output(t))
				}
				noPortsLeft(t, l)
			})
		}
	})
}

// kernelHasVLANs makes a bridge take VLANs apart, if it is to, and reports whether
// the kernel can do that, or has interfaces for VLANs.
func kernelHasVLANs(t *testing.T, l *lab.Lab, bridge string, filters bool) bool {
	t.Helper()
	if _, err := l.Command(t.Context(), "ip", "link", "add", "link", bridge, "name", "vlantest", "type", "vlan", "id", "2"); err != nil {
		return false
	}
	ip(t, l, "link del vlantest")
	if !filters {
		return true
	}
	_, err := l.Command(t.Context(), "ip", "link", "set", bridge, "type", "bridge", "vlan_filtering", "1")
	return err == nil
}

// tenantInVLAN starts a tenant's server in a VLAN of a bridge.
func tenantInVLAN(t *testing.T, l *lab.Lab, bridge string, vlan int, filters bool) *server {
	t.Helper()
	name := fmt.Sprintf("tenant%d", vlan)
	addMachine(t, l, name, bridge, "trunk", "192.0.2.1")
	if filters {
		run(t, l, "bridge", "vlan", "add", "dev", "tap"+name, "vid", fmt.Sprint(vlan))
	}
	ip(t, l, "-n %s link add link trunk name eth0 type vlan id %d", name, vlan)
	ip(t, l, "-n %s addr add %s/24 dev eth0", name, tenantServer)
	ip(t, l, "-n %s link set eth0 up", name)
	return startDhcpd(t, name, writeIn(t, serverDir(t), "leases", ""), shipped(t, "tenant/dhcpd.conf"))
}

// TestProbePort: the probe's port never disturbs the bridge, and goes with it.
func TestProbePort(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addNovaBridge(t, l)
		addMachine(t, l, "tenant", novaBridge, "eth0", tenantServer)
		ip(t, l, "-n tenant link set eth0 mtu 9000")
		ip(t, l, "link set taptenant mtu 9000")
		before := run(t, l, "cat", "/sys/class/net/"+novaBridge+"/address", "/sys/class/net/"+novaBridge+"/mtu")
		if !strings.Contains(before, "9000") {
			t.Fatalf("the bridge has not taken its port's MTU: %s", before)
		}
		start := func() *exec.Cmd {
			known := probePorts(t, l)
			command := probeProgram("--bridge", novaBridge, "--timeout", "1m")
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, func() error {
				out, err := l.Command(t.Context(), "bridge", "link")
				for _, match := range regexp.MustCompile(`(vnbprobe\w+p)@.*master `+novaBridge+` state forwarding`).FindAllStringSubmatch(out, -1) {
					if !slices.Contains(known, match[1]) {
						return nil
					}
				}
				return fmt.Errorf("no other port than %q: %s %v", known, out, err)
			})
			return cmd
		}

		t.Run("interrupted", func(t *testing.T) {
			for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
				cmd := start()
				during := run(t, l, "cat", "/sys/class/net/"+novaBridge+"/address", "/sys/class/net/"+novaBridge+"/mtu")
				if during != before {
					t.Errorf("the bridge's address and MTU were %s and are %s", before, during)
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // it says that it was interrupted
				if code := cmd.ProcessState.ExitCode(); code != 2 {
					t.Errorf("exit status %d after %s", code, sig)
				}
				noPortsLeft(t, l)
			}
		})
		t.Run("killed", func(t *testing.T) {
			killed := start()
			left := probePorts(t, l)
			if err := killed.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = killed.Wait()
			if ports := probePorts(t, l); len(ports) != 2 {
				t.Fatalf("after a kill there are %q: this test tests nothing", ports)
			}
			// The next one takes them away, and not those of one at work.
			atWork := start()
			ports := probePorts(t, l)
			if slices.ContainsFunc(ports, func(p string) bool { return slices.Contains(left, p) }) || len(ports) != 2 {
				t.Errorf("%q of the killed probe are still among %q", left, ports)
			}
			runProbe(t, probeProgram("--bridge", novaBridge, "--timeout", "100ms"))
			if diff := cmp.Diff(ports, probePorts(t, l)); diff != "" {
				t.Errorf("the ports of a probe at work, -before +after another:\n%s", diff)
			}
			if err := atWork.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_ = atWork.Wait()
			noPortsLeft(t, l)
		})
		t.Run("no lease is taken", func(t *testing.T) {
			for name, start := range map[string]startTenant{"dhcpd.conf": startTenantDhcpd, "kea-dhcp4.conf": startTenantKea, "dnsmasq.conf": startTenantDnsmasq} {
				t.Run(name, func(t *testing.T) {
					leases := start(t, "tenant", shipped(t, "tenant/"+name))
					_, stdout, stderr := runProbe(t, probeProgram(answerArgs(novaBridge, "--json")...))
					if len(report(t, stdout).Offers) == 0 {
						t.Fatalf("no offer: %s%s", stdout, stderr)
					}
					text, err := os.ReadFile(leases)
					if err != nil && !os.IsNotExist(err) {
						t.Fatal(err)
					}
					if strings.Contains(string(text), "10.77.0.1") {
						t.Errorf("%s gave a lease:\n%s", name, text)
					}
				})
			}
		})
		t.Run("on a terminal", func(t *testing.T) {
			command := strings.Join(probeProgram("--bridge", novaBridge, "--timeout", "300ms"), " ")
			_, stdout, _ := runProbe(t, []string{"script", "--quiet", "--return", "--command", command, "/dev/null"})
			if !strings.Contains(stdout, "\rasking on "+novaBridge+", ") && !strings.Contains(stdout, "\x1b[Kasking on "+novaBridge+", ") {
				t.Errorf("no progress: %q", stdout)
			}
			if _, after, _ := strings.Cut(stdout, "REQUEST "); strings.Contains(after, "asking on") {
				t.Errorf("the progress is not wiped away: %q", stdout)
			}
		})
		t.Run("no bridge to ask on", func(t *testing.T) {
			ip(t, l, "link add brdown type bridge")
			for bridge, want := range map[string]string{
				"brnone":    "looking for the bridge brnone: Link not found",
				"taptenant": "taptenant is no Linux bridge but of type veth",
				"brdown":    "the bridge brdown is down; set it up first: ip link set brdown up",
			} {
				status, _, stderr := runProbe(t, probeProgram("--bridge", bridge))
				if status != 2 || !strings.Contains(stderr, want) {
					t.Errorf("%s: exit status %d, %s", bridge, status, stderr)
				}
			}
			noPortsLeft(t, l)
		})
	})
}

// TestProbeSTP: where the bridge waits before it forwards, so does the probe.
func TestProbeSTP(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addNovaBridge(t, l)
		const delay = 2 * time.Second // the least that there is, for each of two states
		ip(t, l, "link set %s type bridge stp_state 1 forward_delay %d", novaBridge, delay/(10*time.Millisecond))
		addMachine(t, l, "tenant", novaBridge, "eth0", tenantServer)
		startTenantDhcpd(t, "tenant", shipped(t, "tenant/dhcpd.conf"))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := lab.Await(ctx, func() error {
			state := run(t, l, "cat", "/sys/class/net/taptenant/brport/state")
			if strings.TrimSpace(state) != "3" {
				return fmt.Errorf("the tenant's port has state %s", state)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		status, stdout, stderr := runProbe(t, probeProgram(answerArgs(novaBridge, "--openstack-server", "none")...))
		if status != 0 {
			t.Errorf("exit status %d: %s%s", status, stdout, stderr)
		}
		if took := time.Since(started); took < 2*delay {
			t.Errorf("it took %s: the bridge has not waited, this test tests nothing", took)
		}
	})
}
