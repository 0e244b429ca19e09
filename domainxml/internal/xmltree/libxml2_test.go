package xmltree

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// node is an element as both parsers see it. Name and Attrs have no prefixes; Foreign is as
// in Element, for the default namespace and for prefixes alike.
type node struct {
	Name     string
	Foreign  bool
	Attrs    [][2]string
	Text     string
	Children []node
}

func tree(d *Document, e *Element) node {
	n := node{Name: e.Local(), Foreign: e.Foreign || strings.Contains(e.Name, ":"), Text: d.Text(e)}
	for _, a := range e.Attrs {
		if a.Name == "xmlns" || strings.HasPrefix(a.Name, "xmlns:") {
			continue
		}
		_, local, ok := strings.Cut(a.Name, ":")
		if !ok {
			local = a.Name
		}
		n.Attrs = append(n.Attrs, [2]string{local, d.Attr(e, a.Name)})
	}
	for _, c := range e.Children {
		n.Children = append(n.Children, tree(d, c))
	}
	return n
}

// reader answers each document, a length and so many bytes, with a line: the tree as JSON,
// or null. It reads as libvirt does: without expanding entities in text, from memory, and
// whatever a namespace's name is, which lxml refuses without recover.
const reader = `
import json, struct, sys
from lxml import etree
def node(e):
    text = (e.text or '') + ''.join((c.tail or '') for c in e)
    q = etree.QName(e)
    return {'Name': q.localname, 'Foreign': bool(q.namespace),
            'Attrs': [[etree.QName(k).localname, v] for k, v in e.attrib.items()] or None, 'Text': text,
            'Children': [node(c) for c in e if isinstance(c.tag, str)] or None}
stdin = sys.stdin.buffer
while head := stdin.read(4):
    doc = stdin.read(struct.unpack('>I', head)[0])
    try:
        try:
            root = etree.fromstring(doc, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError as e:
            if any(error.domain_name != 'NAMESPACE' for error in e.error_log):
                raise
            root = etree.fromstring(doc, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        sys.setrecursionlimit(10000)
        answer = node(root)
    except etree.XMLSyntaxError as e:
        answer = None
    print(json.dumps(answer), flush=True)
`

// libxml2 is one python3-lxml that lives as long as the test.
type libxml2 struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

func startLibxml2(t testing.TB) *libxml2 {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import lxml").Run(); err != nil {
		if os.Getenv("CI") == "" {
			t.Skip("left out, this machine lacks python3-lxml")
		}
		t.Fatal("this machine lacks python3-lxml")
	}
	cmd := exec.Command("/usr/bin/python3", "-c", reader)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &libxml2{in: in, out: bufio.NewReader(out)}
}

// read returns nil for a document that libxml2 refuses.
func (x *libxml2) read(t *testing.T, doc []byte) *node {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	n := len(doc)
	if _, err := x.in.Write(append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, doc...)); err != nil {
		t.Fatal(err)
	}
	line, err := x.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var answer *node
	if err := json.Unmarshal(line, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// FuzzLibxml2: what we read, libxml2 reads too, as the same elements, attributes and text.
// After an edit it reads the same document but for the edit.
func FuzzLibxml2(f *testing.F) {
	for _, doc := range []string{
		"<domain type='kvm'><name>a</name><os><boot dev='hd'/></os></domain>",
		"<a><![CDATA[<b>&amp;]]>c<!-- d --><?e f?>g</a>",
		"<?xml version='1.0' encoding='UTF-8'?>\r\n<a b='c\r\nd\te'>f\r\ng\rh</a>\r\n",
		"\ufeff<a/>",
		"<?xml version=\"1.0\" encoding='us-ascii' standalone='yes'?><a/>",
		"<x:a xmlns:x='urn:x' x:b='1' b='2'><x:c/><c xmlns='urn:y'><d/></c></x:a>",
		"<a xmlns='urn:x'><b xmlns=''/></a>",
		"<a b='&lt;&#10;&#x41;&quot;'>&amp;&#13;</a>",
		"<a><b/><b c='1'/><b/></a>",
		"<a\n b = 'c' \n></a\n>",
		"<é ü='1'/>",
		"<?a?><a><?b c?></a>",
		"<?A!?><A/>",
		"<?xml ?><a></a>",
	} {
		f.Add([]byte(doc))
	}
	x := startLibxml2(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		doc, err := Parse(src)
		if err != nil {
			return
		}
		theirs := x.read(t, src)
		if theirs == nil {
			t.Fatalf("libxml2 does not read what we read: %q", src)
		}
		ours := tree(doc, doc.Root)
		if diff := cmp.Diff(*theirs, ours); diff != "" {
			t.Fatalf("(-libxml2 +ours) %q:\n%s", src, diff)
		}

		edits := NewEdits(src)
		edits.AppendChild(doc.Root, "<new a='1'/>")
		if len(doc.Root.Children) > 1 {
			edits.Remove(doc.Root.Children[0])
		}
		edited := x.read(t, edits.Apply())
		if edited == nil {
			t.Fatalf("libxml2 does not read the edited document: %q", edits.Apply())
		}
		if len(ours.Children) > 1 {
			ours.Children = ours.Children[1:]
		}
		last := len(edited.Children) - 1
		if last < 0 || edited.Children[last].Name != "new" {
			t.Fatalf("the new element is not there: %q", edits.Apply())
		}
		edited.Children = edited.Children[:last]
		if len(edited.Children) == 0 {
			edited.Children = nil
		}
		// White space around what is edited goes and comes with it.
		edited.Text, ours.Text = "", ""
		if diff := cmp.Diff(ours, *edited); diff != "" {
			t.Fatalf("more than the edit (-before +after) %q:\n%s", edits.Apply(), diff)
		}
	})
}
