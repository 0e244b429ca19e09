package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestIdentity asks libvirtd who its clients are.
func TestIdentity(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		// The agent is a client too; it must not come in between.
		await(t, func() error {
			if len(clients(t, l)) == 0 {
				return errors.New("the agent has not connected to libvirtd")
			}
			return nil
		})
		for _, client := range []*syscall.Credential{account(t, "root"), account(t, "nobody")} {
			before := clients(t, l)
			s := startShell(t, client, "virsh", "--connect", lab.URI(lab.GatewaySocket))
			var id string
			await(t, func() error {
				for now := range clients(t, l) {
					if !before[now] {
						id = now
						return nil
					}
				}
				return fmt.Errorf("libvirtd has no new client; virsh says %q", s.text())
			})
			info, err := l.Command(t.Context(), "virt-admin", "client-info", "libvirtd", id)
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]uint32{"unix_user_id": client.Uid, "unix_group_id": client.Gid} {
				if got := field(info, key); got != fmt.Sprint(want) {
					t.Errorf("%s of the client of uid %d is %s, want %d", key, client.Uid, got, want)
				}
			}
			if out, err := s.finish("quit\n"); err != nil {
				t.Errorf("virsh of uid %d: %v: %s", client.Uid, err, out)
			}
		}
	})
}

// TestRefusal lets the mode of libvirtd's socket refuse a client, although the
// gateway's own socket is open to all users.
func TestRefusal(t *testing.T) {
	options := lab.Options{LibvirtdConf: "unix_sock_rw_perms = \"0770\"\nunix_sock_group = \"libvirt\"\nauth_unix_rw = \"none\"\n"}
	lab.Run(t, options, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		checkSameMode(t, lab.LibvirtSocket, lab.GatewaySocket)
		if err := os.Chmod(lab.GatewaySocket, 0o666); err != nil {
			t.Fatal(err)
		}
		libvirt := group(t, "libvirt")
		member := account(t, "nobody")
		member.Groups = append(member.Groups, libvirt)
		primary := account(t, "nobody")
		primary.Gid = libvirt
		for _, c := range []struct {
			name       string
			credential *syscall.Credential
			allowed    bool
		}{
			{"root", account(t, "root"), true},
			{"nobody", account(t, "nobody"), false},
			{"nobody in the socket's group", member, true},
			{"nobody with the socket's group as primary", primary, true},
		} {
			for _, socket := range []string{lab.LibvirtSocket, lab.GatewaySocket} {
				s := startShell(t, c.credential, "virsh", "--connect", lab.URI(socket), "hostname")
				out, err := s.finish("")
				if allowed := err == nil && strings.Contains(out, "compute"); allowed != c.allowed {
					t.Errorf("%s through %s: let in %t, want %t (%v: %s)", c.name, socket, allowed, c.allowed, err, out)
				}
			}
		}
	})
}

// account is a user of /etc/passwd without supplementary groups.
func account(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: number(t, u.Uid), Gid: number(t, u.Gid)}
}

func group(t *testing.T, name string) uint32 {
	t.Helper()
	g, err := user.LookupGroup(name)
	if err != nil {
		t.Fatal(err)
	}
	return number(t, g.Gid)
}

func number(t *testing.T, id string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// clients are the ids of libvirtd's clients.
func clients(t *testing.T, l *lab.Lab) map[string]bool {
	t.Helper()
	list, err := l.Command(t.Context(), "virt-admin", "client-list", "libvirtd")
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\s*(\d+)\s`).FindAllStringSubmatch(list, -1) {
		ids[m[1]] = true
	}
	return ids
}

// field is a value of virt-admin's "key : value" lines.
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func checkSameMode(t *testing.T, want, got string) {
	t.Helper()
	wantMode, wantGroup := modeAndGroup(t, want)
	gotMode, gotGroup := modeAndGroup(t, got)
	if gotMode != wantMode || gotGroup != wantGroup {
		t.Errorf("%s has mode %v and group %d, %s has %v and %d", got, gotMode, gotGroup, want, wantMode, wantGroup)
	}
}

func modeAndGroup(t *testing.T, path string) (os.FileMode, uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode(), info.Sys().(*syscall.Stat_t).Gid
}
