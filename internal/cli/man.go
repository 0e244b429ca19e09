package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/manual"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write the manual pages, virt-netboot(8), virt-netboot.yaml(5) and qemu-hook(8),
into the directory DIR, which is made where it is not there. They have the date
of SOURCE_DATE_EPOCH, or today's.

Exit status:
  0  they are written
  1  they cannot be written
  2  the command line or SOURCE_DATE_EPOCH cannot be read`,
		Args:                  usage(cobra.ExactArgs(1)),
		DisableFlagsInUseLine: true,
		Hidden:                true,
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate()
			if err != nil {
				return err
			}
			pages, err := manual.Pages(cmd.Root())
			if err != nil {
				return &failure{error: err}
			}
			return writePages(args[0], pages, date)
		},
	}
}

// sourceDate is the date of what is built reproducibly
// (https://reproducible-builds.org/specs/source-date-epoch/).
func sourceDate() (time.Time, error) {
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%s: want seconds since 1970", epoch)
	}
	return time.Unix(seconds, 0), nil
}

func writePages(dir string, pages []manual.Page, date time.Time) error {
	err := os.MkdirAll(dir, 0o755)
	for _, p := range pages {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, p.File()), p.Roff(version.Version, date), 0o644)
		}
	}
	if err != nil {
		return &failure{error: fmt.Errorf("writing the manual pages: %w", err)}
	}
	return nil
}
