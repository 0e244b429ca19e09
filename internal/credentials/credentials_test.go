package credentials

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestMain lets a test run this binary as another user.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-as" {
		if err := printAs(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// thread is what the kernel says of a thread in /proc.
type thread struct{ Uid, Gid, Groups, CapEff string }

// printAs prints what a thread is while it is uid, gid and group 1234.
func printAs(id string) error {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return err
	}
	return As(Credentials{uint32(n), uint32(n), []uint32{1234}}, func() error {
		b, err := os.ReadFile("/proc/thread-self/status")
		if err != nil {
			return err
		}
		field := map[string]string{}
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(line, ":")
			field[name] = strings.Join(strings.Fields(value), " ")
		}
		return json.NewEncoder(os.Stdout).Encode(thread{field["Uid"], field["Gid"], field["Groups"], field["CapEff"]})
	})
}

// run has this binary print a thread that is id, as the user who, with the
// capabilities in ambient.
func run(who Credentials, ambient []uintptr, id string) (string, error) {
	cmd := exec.Command("/proc/self/exe", "-as", id)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: who.UID, Gid: who.GID, Groups: who.Groups},
		AmbientCaps: ambient,
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it becomes other users")
	}
}

// TestAsWithoutRoot runs as a user who has nothing but capabilities, and has more
// than the other user's work needs.
func TestAsWithoutRoot(t *testing.T) {
	needRoot(t)
	user := Credentials{2000, 2000, nil}
	ambient := []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_DAC_OVERRIDE}
	out, err := run(user, ambient, "3000")
	if err != nil {
		t.Fatal(err, out)
	}
	var got thread
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err, out)
	}
	want := thread{Uid: "2000 3000 2000 3000", Gid: "2000 3000 2000 3000", Groups: "1234", CapEff: "0000000000000000"}
	if got != want {
		t.Errorf("the thread is %+v, want %+v", got, want)
	}
	for _, tt := range []struct {
		ambient []uintptr
		want    string
	}{
		{nil, "CAP_SETGID"},
		{[]uintptr{unix.CAP_SETGID}, "CAP_SETUID"},
	} {
		if out, err := run(user, tt.ambient, "3000"); err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("with capabilities %v: %v, %s; want an error that names %s", tt.ambient, err, out, tt.want)
		}
	}
}

// TestAsNoUser: to the kernel the id -1 means that the thread stays who it is,
// which would be root.
func TestAsNoUser(t *testing.T) {
	needRoot(t)
	out, err := run(Credentials{}, nil, "4294967295")
	if want := "the kernel says uid 0 gid 0 instead of uid 4294967295 gid 4294967295"; err == nil || !strings.Contains(out, want) {
		t.Errorf("%v, %s; want an error that says %q", err, out, want)
	}
}

// TestOfUser compares with what id(1) says.
func TestOfUser(t *testing.T) {
	for _, name := range []string{"root", "nobody"} {
		out, err := exec.Command("sh", "-euc", `id -u "$1"; id -g "$1"; id -G "$1"`, "sh", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		var ids []uint32
		for id := range strings.FieldsSeq(string(out)) {
			n, err := number(id)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, n)
		}
		slices.Sort(ids[2:])
		check(t, Credentials{ids[0], ids[1], ids[2:]})
	}
	check(t, Credentials{UID: 4_000_000_000, GID: 65534}) // who is no user
}

func check(t *testing.T, want Credentials) {
	t.Helper()
	got, err := OfUser(want.UID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uid %d, -want +got:\n%s", want.UID, diff)
	}
}
