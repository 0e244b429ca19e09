package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestVolume sends 256 MiB to a volume and fetches them again.
func TestVolume(t *testing.T) {
	const size = 256 << 20
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		pool := filepath.Join(lab.InstancesDir, "pool")
		if err := os.Mkdir(pool, 0o755); err != nil {
			t.Fatal(err)
		}
		up, down := filepath.Join(lab.InstancesDir, "up"), filepath.Join(lab.InstancesDir, "down")
		want := writeRandom(t, up, size)

		virshGateway(t, l, "pool-create-as", "--name", "pool", "--type", "dir", "--target", pool)
		virshGateway(t, l, "vol-create-as", "pool", "volume", fmt.Sprint(size), "--format", "raw")
		virshGateway(t, l, "vol-upload", "--pool", "pool", "volume", up)
		if got := checksum(t, filepath.Join(pool, "volume")); got != want {
			t.Errorf("the volume's checksum is %x, want %x", got, want)
		}
		virshGateway(t, l, "vol-download", "--pool", "pool", "volume", down)
		if got := checksum(t, down); got != want {
			t.Errorf("the downloaded volume's checksum is %x, want %x", got, want)
		}
	})
}

func writeRandom(t *testing.T, path string, size int64) [sha256.Size]byte {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{}), size); err != nil {
		t.Fatal(err)
	}
	return checksum(t, path)
}

func checksum(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// TestConsole talks with a guest in both directions.
func TestConsole(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "ami-kernel-ramdisk")
		d := g.Domain
		d.Devices.Serials[0].Source = nil // libvirt makes it a pty
		document, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		virshGateway(t, l, "create", writeFile(t, "pty.xml", document))

		console := startTerminal(t, "virsh", "--connect", lab.URI(lab.GatewaySocket), "console", g.Name)
		console.awaitText(t, strings.TrimSpace(lab.KernelSays))
		console.typeText(t, "#")
		console.awaitText(t, "#") // the kernel echoes
		const leave = "\x1d"      // ^]
		console.typeText(t, leave)
		console.awaitEnd(t)
	})
}

// TestEvents watches the life of a guest.
func TestEvents(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-qcow2-neutron")
		events := startTerminal(t, "virsh", "--connect", lab.URI(lab.GatewaySocket), "event", "--loop", "--event", "lifecycle")
		// Only a client that has registered is shown what follows.
		await(t, func() error {
			virshGateway(t, l, "define", g.File)
			virshGateway(t, l, "undefine", g.Name)
			if !strings.Contains(events.text(), "Defined") {
				return fmt.Errorf("virsh event has seen no definition but: %s", events.text())
			}
			return nil
		})
		virshGateway(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		virsh(t, l, "resume", g.Name)
		virsh(t, l, "destroy", g.Name)
		for _, what := range []string{"Started Booted", "Resumed Unpaused", "Stopped Destroyed"} {
			events.awaitText(t, "event 'lifecycle' for domain '"+g.Name+"': "+what)
		}
	})
}

// TestDescriptors passes a descriptor each way.
func TestDescriptors(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-qcow2-neutron")
		virshGateway(t, l, "create", "--paused", g.File)
		for _, socket := range []string{lab.LibvirtSocket, lab.GatewaySocket} {
			out, err := l.Command(t.Context(), "/usr/bin/python3", "testdata/descriptors.py", lab.URI(socket), g.Name)
			if err != nil {
				t.Fatal(err)
			}
			if want := "openGraphics True\nopenGraphicsFD True\n"; out != want {
				t.Errorf("through %s: got %q, want %q", socket, out, want)
			}
		}
	})
}

// TestFiftyClients has fifty clients connected at once, each with calls of its
// own.
func TestFiftyClients(t *testing.T) {
	const clients = 50
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		shared := novaGuest(t, l, "image-qcow2-neutron")
		virshGateway(t, l, "define", shared.File)

		var sessions []*shell
		for range clients {
			sessions = append(sessions, startShell(t, nil, "virsh", "--connect", lab.URI(lab.GatewaySocket)))
		}
		await(t, func() error {
			list, err := l.Command(t.Context(), "virt-admin", "client-list", "libvirtd")
			if err != nil {
				return err
			}
			if got := strings.Count(list, "unix"); got < clients {
				return fmt.Errorf("libvirtd has %d clients, want %d", got, clients)
			}
			return nil
		})
		var wg sync.WaitGroup
		for i, session := range sessions {
			wg.Go(func() { checkClient(t, l, session, i, shared) })
		}
		wg.Wait()
	})
}

func checkClient(t *testing.T, l *lab.Lab, session *shell, i int, shared *lab.Guest) {
	name, uuid := fmt.Sprintf("client-%d", i), fmt.Sprintf("7e1b2a3c-0000-4000-9000-%012d", i)
	document := strings.NewReplacer(shared.Name, name, shared.UUID, uuid).Replace(shared.Document)
	file := filepath.Join(lab.InstancesDir, name+".xml")
	if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
		t.Error(err)
		return
	}
	out, err := session.finish(strings.Join([]string{
		"hostname",
		"domuuid " + shared.Name,
		"define " + file,
		"dumpxml " + name,
		"domid no-such-domain",
		"undefine " + name,
		"nodeinfo",
	}, "\n") + "\n")
	if err == nil {
		err = fmt.Errorf("virsh succeeds, although a domain is missing")
	}
	for _, want := range []string{
		"compute",
		shared.UUID,
		"<uuid>" + uuid + "</uuid>",
		"<boot dev='network'/>",
		"failed to get domain 'no-such-domain'",
		"Domain '" + name + "' has been undefined",
		"CPU socket(s)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("client %d has no answer with %q (%v):\n%s", i, want, err, out)
		}
	}
}
