package domainxml

import "testing"

func TestTranslatedOrder(t *testing.T) {
	// An interface was put in front of a disk (1) and a CD-ROM (2).
	nic, disk, cdrom := &movedOrder{is: 1}, &movedOrder{is: 2, was: 1}, &movedOrder{is: 3, was: 2}
	inFront := orderShift{from: 1, by: 1}
	for name, c := range map[string]struct {
		n     uint
		self  *movedOrder
		shift orderShift
		want  uint
	}{
		"as the client defined it":             {2, cdrom, inFront, 3},
		"the first as the client defined it":   {1, disk, inFront, 2},
		"as libvirt has it":                    {3, cdrom, inFront, 3},
		"without one, as it was":               {0, nic, inFront, 1},
		"without one, though it had one":       {0, disk, inFront, 0},
		"to a new place":                       {7, disk, inFront, 8},
		"the interface that came from behind":  {3, &movedOrder{is: 1, was: 3}, inFront, 1},
		"a device that was never moved":        {4, &movedOrder{is: 4, was: 4}, inFront, 4},
		"a new device in place of the first":   {1, nil, inFront, 2},
		"a new device behind the others":       {3, nil, inFront, 4},
		"a new device without":                 {0, nil, inFront, 0},
		"behind two":                           {2, nil, orderShift{from: 1, by: 2}, 4},
		"behind one that was in front already": {2, nil, orderShift{from: 2, by: 1}, 3},
		"before those put in front":            {1, nil, orderShift{from: 2, by: 1}, 1},
		"nothing was moved":                    {2, nil, orderShift{}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := translatedOrder(c.n, c.self, c.shift); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
