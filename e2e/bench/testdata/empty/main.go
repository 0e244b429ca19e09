// Command empty copies its standard input to its standard output: the least
// that a hook written in Go could do.
package main

import (
	"io"
	"os"
)

func main() {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		os.Exit(1)
	}
}
