package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// leaveAlone is a policy that changes no domain.
const leaveAlone = "rules: []\n"

// messages are the agent's and the hook's, oldest first, that journalctl finds by
// the fields.
func messages(t *testing.T, l *lab.Lab, fields ...string) []string {
	t.Helper()
	entries, err := l.Journal(t.Context(), append([]string{"-t", "virt-netboot"}, fields...)...)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e["MESSAGE"])
	}
	return all
}

// awaitMessages waits until the text is in count messages.
func awaitMessages(t *testing.T, l *lab.Lab, count int, text string, fields ...string) {
	t.Helper()
	await(t, func() error {
		all := messages(t, l, fields...)
		if got := len(with(all, text)); got != count {
			return fmt.Errorf("%d messages have %q, want %d; all of them:\n%s", got, text, count, strings.Join(all, "\n"))
		}
		return nil
	})
}

func with(texts []string, part string) []string {
	var found []string
	for _, text := range texts {
		if strings.Contains(text, part) {
			found = append(found, text)
		}
	}
	return found
}

// TestReload changes the policy under a client that stays connected.
func TestReload(t *testing.T) {
	lab.Run(t, lab.Options{Config: leaveAlone}, func(t *testing.T, l *lab.Lab) {
		const loaded, rewritten = "the configuration is loaded again", "rewritten on its way to libvirt"
		startAgent(t, l)
		g := novaGuest(t, l, "image-raw-filterref")
		client := startShell(t, nil, "virsh", "--connect", lab.URI(lab.GatewaySocket))
		own := "PID=" + strconv.Itoa(client.cmd.Process.Pid)
		times := 0
		define := func() {
			t.Helper()
			times++
			client.typeText(t, "define "+g.File+"\nundefine "+g.Name+"\n")
			await(t, func() error {
				if got := strings.Count(client.text(), "has been undefined"); got != times {
					return fmt.Errorf("virsh has undefined %d times, want %d:\n%s", got, times, client.text())
				}
				return nil
			})
		}

		define()
		awaitMessages(t, l, 0, rewritten, own)

		if err := os.WriteFile(lab.ConfigPath+".new", []byte("rules: [{name: second}]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(lab.ConfigPath+".new", lab.ConfigPath); err != nil {
			t.Fatal(err)
		}
		awaitMessages(t, l, 1, loaded)
		define()
		awaitMessages(t, l, 1, rewritten, own, "RULE=second")

		// A mistake: the log shows where, and the policy before it stays.
		if err := l.WriteConfig("rules:\n  - boot: disk\n"); err != nil {
			t.Fatal(err)
		}
		awaitMessages(t, l, 1, "\n    2 |   - boot: disk\n      |           ^", "LINE=2", "COLUMN=11")
		define()
		awaitMessages(t, l, 2, rewritten, own, "RULE=second")

		if err := l.WriteConfig(leaveAlone); err != nil {
			t.Fatal(err)
		}
		awaitMessages(t, l, 2, loaded)
		define()
		awaitMessages(t, l, 2, rewritten, own)

		// There is an answer, though nothing has changed.
		if err := l.ReloadAgent(); err != nil {
			t.Fatal(err)
		}
		awaitMessages(t, l, 3, loaded)
		if _, err := client.finish("quit\n"); err != nil {
			t.Errorf("the client's connection: %v", err)
		}
	})
}

// TestReloadFiles has another file patched.
func TestReloadFiles(t *testing.T) {
	const first, second = "/etc/nova/dnsmasq.conf", "/etc/nova/other.conf"
	config := func(path string) string {
		return "files: [{path: " + path + ", kind: dnsmasq}]\n"
	}
	lab.Run(t, lab.Options{Config: config(first)}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		put(t, first, "strict-order\n")
		awaitPatched(t, first)
		put(t, second, "strict-order\n")
		must(t, l.WriteConfig(config(second)))
		awaitPatched(t, second)
	})
}

func awaitPatched(t *testing.T, path string) {
	t.Helper()
	await(t, func() error {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "iPXE") {
			return fmt.Errorf("%s is not patched (%v):\n%s", path, err, text)
		}
		return nil
	})
}

// TestObserveMode: in mode observe every door changes nothing and says what it would
// change; in mode enforce it changes that.
func TestObserveMode(t *testing.T) {
	const dnsmasq = "/etc/nova/dnsmasq.conf"
	const config = "rules: [{name: strict, unprepared: deny}]\nfiles: [{path: " + dnsmasq + ", kind: dnsmasq}]\n"
	lab.Run(t, lab.Options{Hook: true, Config: "mode: observe\n" + config}, func(t *testing.T, l *lab.Lab) {
		put(t, dnsmasq, "strict-order\n")
		startAgent(t, l)
		g := novaGuest(t, l, "image-raw-filterref")
		before := defined(t, l, g, virsh)
		if diff := cmp.Diff(before, defined(t, l, g, virshGateway)); diff != "" {
			t.Errorf("the gateway changes a definition (-direct +gateway):\n%s", diff)
		}
		awaitMessages(t, l, 1, "(mode: observe); it would be rewritten: ", "PROCEDURE=DOMAIN_DEFINE_XML")
		virsh(t, l, "start", "--paused", g.Name)
		awaitMessages(t, l, 2, "(mode: observe): rule \"strict\" wants", "OPERATION=prepare")
		virsh(t, l, "managedsave", g.Name)
		virsh(t, l, "start", g.Name)
		awaitMessages(t, l, 2, "(mode: observe): rule \"strict\" wants", "OPERATION=restore")
		checkRunning(t, l, g, map[string]int{"virtio-disk0": 1}, []string{"nova-instance-instance-0000006c-fa163e5043cd"}, false)
		if diff := cmp.Diff(before, virsh(t, l, "dumpxml", "--inactive", g.Name)); diff != "" {
			t.Errorf("something changes a definition (-before +after):\n%s", diff)
		}
		awaitMetric(t, `virt_netboot_gateway_calls_total{procedure="DOMAIN_DEFINE_XML",result="observed"} 1`)
		awaitMetric(t, `virt_netboot_hook_calls_total{operation="restore",result="observed"} 1`)
		awaitMetric(t, `virt_netboot_domains{state="would-change"} 1`)
		awaitMetric(t, `virt_netboot_config_observe 1`)
		if text, err := os.ReadFile(dnsmasq); err != nil || string(text) != "strict-order\n" {
			t.Errorf("%s is %q, %v", dnsmasq, text, err)
		}
		plan := virtNetboot(t, l, "plan")
		for _, part := range []string{"+    <boot dev='network'/>", "-      <filterref"} {
			if !strings.Contains(plan, part) {
				t.Errorf("plan does not show %q:\n%s", part, plan)
			}
		}

		must(t, l.WriteConfig(config))
		awaitMetric(t, `virt_netboot_config_observe 0`)
		awaitMetric(t, `virt_netboot_domains{state="would-change"} 1`)
		if diff := cmp.Diff(before, virsh(t, l, "dumpxml", "--inactive", g.Name)); diff != "" {
			t.Errorf("existing: keep does not leave the domain as it is (-before +after):\n%s", diff)
		}
		must(t, l.WriteConfig("existing: sync\n"+config))
		await(t, func() error { return noFilter(t, l, g.Name) })
		await(t, func() error { return inSync(t, l, g.Name) })
		awaitPatched(t, dnsmasq)
		awaitMetric(t, `virt_netboot_domains{state="pending"} 1`)
	})
}

// defined defines a guest and returns what libvirt has then.
func defined(t *testing.T, l *lab.Lab, g *lab.Guest, through virshFunc) string {
	t.Helper()
	through(t, l, "define", g.File)
	return virsh(t, l, "dumpxml", "--inactive", g.Name)
}

// awaitMetric waits for a line of the agent's metrics.
func awaitMetric(t *testing.T, line string) {
	t.Helper()
	await(t, func() error {
		text, err := agentMetrics()
		if err != nil {
			return err
		}
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			var ours []string
			for _, l := range with(strings.Split(text, "\n"), "virt_netboot_") {
				if !strings.HasPrefix(l, "#") {
					ours = append(ours, l)
				}
			}
			return fmt.Errorf("the metrics do not have %s:\n%s", line, strings.Join(ours, "\n"))
		}
		return nil
	})
}

// agentMetrics are the agent's metrics, as Prometheus reads them.
func agentMetrics() (string, error) {
	resp, err := http.Get("http://127.0.0.1:9178/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
