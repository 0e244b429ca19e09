package xmltree

import "testing"

// TestText: an element's own text, without what is between its parts.
func TestText(t *testing.T) {
	for name, c := range map[string]struct{ doc, want string }{
		"plain":                   {"<a>b</a>", "b"},
		"references":              {"<a>&lt;&#x62;</a>", "<b"},
		"children":                {"<a>b<x>no</x>c<x/>d</a>", "bcd"},
		"nested children":         {"<a><x><y>no</y></x>b</a>", "b"},
		"a comment":               {"<a>b<!-- <x/> -->c</a>", "bc"},
		"a comment that begins >": {"<a>b<!-->x-->c</a>", "bc"},
		"an instruction":          {"<a>b<?x y?>c</a>", "bc"},
		"CDATA":                   {"<a>b<![CDATA[<x>&lt;]]>c<x/></a>", "b<x>&lt;c"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := Parse([]byte(c.doc))
			if err != nil {
				t.Fatal(err)
			}
			if got := doc.Text(doc.Root); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
