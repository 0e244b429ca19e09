package printable

import "testing"

func TestPrintable(t *testing.T) {
	for _, tc := range []struct{ text, line, lines string }{
		{"", "", ""},
		{"http://10.77.0.1/bios.ipxe", "http://10.77.0.1/bios.ipxe", "http://10.77.0.1/bios.ipxe"},
		{"Zürich 東京 \\x1b", "Zürich 東京 \\x1b", "Zürich 東京 \\x1b"},
		{"\x1b[2Jabc\n", `\x1b[2Jabc `, "\\x1b[2Jabc\n"},
		{"a\tb\r\nc", "a b  c", "a\tb\\r\nc"},
		{"\u009b2J", `\u009b2J`, `\u009b2J`},                                   // CSI, as one character
		{"\x9b2J", `\x9b2J`, `\x9b2J`},                                         // and as one byte, which is no UTF-8
		{"right\u202eleft\u2028", `right\u202eleft `, `right\u202eleft\u2028`}, // from right to left, and a line's end
		{"\x00\x7f", `\x00\x7f`, `\x00\x7f`},
		{"\ufffd", "\ufffd", "\ufffd"},
	} {
		if got := Line(tc.text); got != tc.line {
			t.Errorf("Line(%q) is %q, want %q", tc.text, got, tc.line)
		}
		if got := Lines(tc.text); got != tc.lines {
			t.Errorf("Lines(%q) is %q, want %q", tc.text, got, tc.lines)
		}
		if got := Line(Line(tc.text)); got != tc.line {
			t.Errorf("Line twice of %q is %q, want %q", tc.text, got, tc.line)
		}
	}
}
