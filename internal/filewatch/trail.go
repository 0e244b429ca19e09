package filewatch

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symlinks the kernel follows in a path (path_resolution(7)).
const maxLinks = 40

// Trail returns every path that a change of can make another file of an absolute
// path: its directories, the symlinks in it, what they lead through, and the file
// last. What does not exist yet is in it too.
func Trail(path string) []string {
	var passed []string
	at, links := "/", 0
	todo := components(path)
	for len(todo) > 0 {
		at, todo = filepath.Join(at, todo[0]), todo[1:]
		passed = append(passed, at)
		target, err := os.Readlink(at)
		if err != nil || links == maxLinks {
			continue
		}
		links++
		todo = append(components(target), todo...)
		if at = filepath.Dir(at); filepath.IsAbs(target) {
			at = "/"
		}
	}
	return passed
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
