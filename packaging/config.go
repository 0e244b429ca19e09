// Package packaging has what of the packages' files a program needs to know.
package packaging

import _ "embed"

// Config is the configuration that is installed. Every value in it is the default,
// and its comments are what virt-netboot.yaml(5) is made from.
//
//go:embed config.yaml
var Config string
