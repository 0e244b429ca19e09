// Package doctor examines a compute node: whether everything is in place for its
// instances to boot from the network, and for each thing that is not, the one
// thing to do about it.
//
//	d := doctor.Doctor{Host: doctor.LocalHost(), LoadConfig: …}
//	results := d.Examine(ctx)
//	os.Exit(int(doctor.Worst(results)))
//
// It changes nothing, and runs no program that is not known to be harmless.
package doctor
