// Package version holds the version that the build stamps into the programs.
package version

// Version is set by the linker:
//
//	go build -ldflags "-X github.com/virt-netboot/virt-netboot/internal/version.Version=1.2.3"
var Version = "devel"
