package cli

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/doctor"
)

// TestFormatResults: the output for a person.
func TestFormatResults(t *testing.T) {
	results := []doctor.Result{
		{Check: "config", Level: doctor.Failure, Found: "config.yaml:2:1: mistake\n    2 | x\n      | ^", Remedy: "fix it"},
		{Check: "nova", Level: doctor.OK, Found: "no Nova here"},
		{Check: "gateway", Level: doctor.Warning, Found: "not checked", Remedy: "run it as root"},
	}
	const plain = `failure  config   config.yaml:2:1: mistake
                      2 | x
                        | ^
                  → fix it
ok       nova     no Nova here
warning  gateway  not checked
                  → run it as root
`
	if diff := cmp.Diff(plain, string(formatResults(results, false))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	const colored = "\x1b[31mfailure\x1b[0m  a  b\n            → c\n\x1b[32mok     \x1b[0m  a  b\n\x1b[33mwarning\x1b[0m  a  b\n"
	one := []doctor.Result{{Check: "a", Level: doctor.Failure, Found: "b", Remedy: "c"}, {Check: "a", Found: "b"}, {Check: "a", Level: doctor.Warning, Found: "b"}}
	if diff := cmp.Diff(colored, string(formatResults(one, true))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDiagnosisStatus: warnings are exit status 1, failures 2, and both have been
// printed when the command ends.
func TestDiagnosisStatus(t *testing.T) {
	for level, want := range map[doctor.Level]int{doctor.Warning: 1, doctor.Failure: 2} {
		err := fmt.Errorf("doctor: %w", diagnosis(level))
		if got := exitStatus(err); got != want {
			t.Errorf("the exit status of a %v is %d, want %d", level, got, want)
		}
		if text := explained(err); text != "" {
			t.Errorf("a %v is explained again: %q", level, text)
		}
	}
	if got := exitStatus(errors.New("--no-such-flag")); got != exitInput {
		t.Errorf("the exit status of another error is %d", got)
	}
}
