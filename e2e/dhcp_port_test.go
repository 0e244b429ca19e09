package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// answerArgs are what every probe of these tests is given.
func answerArgs(bridge string, more ...string) []string {
	return append([]string{"--bridge", bridge, "--timeout", answerTime.String()}, more...)
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
			// The next one removes them, and not those of a running one.
			atWork := start()
			ports := probePorts(t, l)
			if slices.ContainsFunc(ports, func(p string) bool { return slices.Contains(left, p) }) || len(ports) != 2 {
				t.Errorf("%q of the killed probe are still among %q", left, ports)
			}
			if status, _, stderr := runProbe(t, probeProgram("--bridge", novaBridge, "--timeout", "100ms")); status != 1 {
				t.Errorf("beside a probe at work: exit status %d, %s", status, stderr)
			}
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
		t.Run("nothing but DHCPDISCOVER is sent", func(t *testing.T) {
			heard := listen(t, "taptenant")
			runProbe(t, probeProgram("--bridge", novaBridge, "--timeout", "1500ms"))
			kinds := make(map[string]int)
			for _, frame := range heard() {
				kinds[kindOf(frame)]++
			}
			// iPXE and an ordinary client, at once and after a second.
			if diff := cmp.Diff(map[string]int{"dhcp-discover": 4}, kinds); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
		t.Run("on a terminal", func(t *testing.T) {
			command := strings.Join(probeProgram("--bridge", novaBridge, "--timeout", "300ms"), " ")
			_, stdout, _ := runProbe(t, []string{"script", "--quiet", "--return", "--command", command, "/dev/null"})
			progress, _, _ := strings.Cut(stdout, "REQUEST ")
			if !strings.HasPrefix(progress, "\r\x1b[Kasking on "+novaBridge+", ") || !strings.HasSuffix(progress, " s left\r\x1b[K") {
				t.Errorf("the progress before the table: %q", progress)
			}
		})
		t.Run("in a network namespace with the /sys of another", func(t *testing.T) {
			ip(t, l, "netns add apart")
			ip(t, l, "-n apart link add brapart up type bridge")
			enter := append([]string{"nsenter", "--net=/run/netns/apart"}, probeProgram("--bridge", "brapart", "--timeout", "100ms")...)
			if status, stdout, stderr := runProbe(t, enter); status != 1 || !strings.Contains(stdout, "no server answers iPXE") {
				t.Errorf("exit status %d: %s%s", status, stdout, stderr)
			}
		})
		t.Run("no bridge to ask on", func(t *testing.T) {
			ip(t, l, "link add brdown type bridge")
			for bridge, want := range map[string]string{
				"brnone":    "looking for the bridge brnone: Link not found",
				"taptenant": "taptenant is of type veth and not a Linux bridge",
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
