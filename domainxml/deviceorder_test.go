package domainxml

import "testing"

func TestTranslatedOrder(t *testing.T) {
	// An interface was put in front of a disk (1) and a CD-ROM (2).
	nic, disk, cdrom := movedOrder{is: 1}, movedOrder{is: 2, was: 1}, movedOrder{is: 3, was: 2}
	// The same with a gap between disk and CD-ROM, which leaves that where it was.
	distant := movedOrder{is: 5, was: 5}
	near := movedOrder{is: 3, was: 3}
	for name, c := range map[string]struct {
		n      uint
		self   *movedOrder
		others []movedOrder
		want   uint
	}{
		"as the client defined it":                 {2, &cdrom, []movedOrder{nic, disk}, 3},
		"the first as the client defined it":       {1, &disk, []movedOrder{nic, cdrom}, 2},
		"as libvirt has it":                        {3, &cdrom, []movedOrder{nic, disk}, 3},
		"without one, as it was":                   {0, &nic, []movedOrder{disk, cdrom}, 1},
		"without one, though it had one":           {0, &disk, []movedOrder{nic, cdrom}, 0},
		"a new device behind the others":           {3, nil, []movedOrder{nic, disk, cdrom}, 4},
		"a new device far behind":                  {9, nil, []movedOrder{nic, disk, cdrom}, 9},
		"a new device without":                     {0, nil, []movedOrder{nic, disk, cdrom}, 0},
		"a new device into the gap":                {2, nil, []movedOrder{nic, disk, distant}, 3},
		"into a gap that is gone":                  {2, nil, []movedOrder{nic, disk, near}, 2},
		"what another has for the client, too":     {2, nil, []movedOrder{nic, disk, cdrom}, 2},
		"what another has, with room before it":    {5, nil, []movedOrder{nic, distant}, 5},
		"what another has for the client, updated": {1, &cdrom, []movedOrder{nic, disk}, 1},
		"to a new place":                           {7, &disk, []movedOrder{nic, cdrom}, 7},
		"the interface that came from behind":      {3, &movedOrder{is: 1, was: 3}, []movedOrder{disk, cdrom}, 1},
		"nothing was moved":                        {2, nil, []movedOrder{{is: 1, was: 1}, {is: 2, was: 2}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := translatedOrder(c.n, c.self, c.others); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
