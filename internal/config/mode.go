package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// SetMode returns the bytes of a file with another mode. All else in them is as it
// was, comments and line ends too. name is the file's, for errors: one with a mistake
// is not edited, nor is one whose mode is written in a way that this does not know.
func SetMode(name string, b []byte, mode Mode) ([]byte, error) {
	before, err := Parse(name, b)
	if err != nil {
		return nil, err
	}
	if before.Mode == mode {
		return b, nil
	}
	edited, err := editMode(b, mode)
	if err == nil {
		err = onlyMode(name, before, edited, mode)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; set mode: %s in it by hand", name, err, mode)
	}
	return edited, nil
}

// onlyMode holds that an edited file has the mode, and nothing else that is new.
func onlyMode(name string, before Config, edited []byte, mode Mode) error {
	after, err := Parse(name, edited)
	if err != nil {
		return err
	}
	if before.Mode = mode; !reflect.DeepEqual(before, after) {
		return errors.New("its mode cannot be set without a change to more than that")
	}
	return nil
}

// editMode replaces the value of the key mode, or adds the key as the last line.
func editMode(b []byte, mode Mode) ([]byte, error) {
	d := &decoder{anchors: map[string]ast.Node{}}
	root := d.parse(normalize(b))
	if root == nil {
		return appendLine(b, "mode: "+string(mode)), nil
	}
	if flow, ok := root.(*ast.MappingNode); ok && flow.IsFlowStyle {
		return nil, errors.New("its keys are in braces")
	}
	pairs, _ := d.entries(root)
	for _, p := range pairs {
		if keyText(p.Key) == "mode" {
			return replaceValue(b, p.Value, string(mode))
		}
	}
	indent := strings.Repeat(" ", start(root).Column-1)
	return appendLine(b, indent+"mode: "+string(mode)), nil
}

// replaceValue puts a text in the place of a plain or quoted one.
func replaceValue(b []byte, value ast.Node, text string) ([]byte, error) {
	old, ok := value.(*ast.StringNode)
	if !ok {
		return nil, errors.New("its mode is no plain text")
	}
	pos := start(value)
	line := lineStart(b, pos.Line)
	// Columns count characters, and the value has none but ASCII ones, nor has what is
	// before it on its line but for the key and space.
	at := bytes.Index(b[line:], []byte(old.Value))
	if at < 0 || bytes.ContainsAny(b[line:line+at], "\r\n") {
		return nil, errors.New("its mode is not where the key is")
	}
	at += line
	return append(append(bytes.Clone(b[:at]), text...), b[at+len(old.Value):]...), nil
}

// lineStart is where a line begins, counted from 1.
func lineStart(b []byte, line int) int {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexAny(b[at:], "\r\n")
		if i < 0 {
			return at
		}
		if b[at+i] == '\r' && bytes.HasPrefix(b[at+i+1:], []byte("\n")) {
			i++
		}
		at += i + 1
	}
	return at
}

// appendLine adds a line to a file, with the line ends that it has.
func appendLine(b []byte, line string) []byte {
	end := "\n"
	if bytes.Contains(b, []byte("\r\n")) {
		end = "\r\n"
	}
	out := bytes.Clone(b)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) && !bytes.HasSuffix(out, []byte("\r")) {
		out = append(out, end...)
	}
	return append(out, line+end...)
}
