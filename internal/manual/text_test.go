package manual

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseText(t *testing.T) {
	got := parseText(`A paragraph
of two lines.

  0     a list
  1, 2  whose second item
        goes on
Directly behind it:

  an example
    with an indented line

  a command --option  and two spaces
  without any

SYNOPSIS

  program FILE
  program --help

SEE ALSO

That is it.
`)
	paragraph := func(lines ...string) block { return block{paragraph: lines} }
	want := []block{
		paragraph("A paragraph", "of two lines."),
		{list: []item{
			{"0", []block{paragraph("a list")}},
			{"1, 2", []block{paragraph("whose second item", "goes on")}},
		}},
		paragraph("Directly behind it:"),
		{example: []string{"an example", "  with an indented line"}},
		{example: []string{"a command --option  and two spaces", "without any"}},
		{section: "SYNOPSIS"},
		{synopsis: "program FILE"},
		{synopsis: "program --help"},
		{section: "SEE ALSO"},
		paragraph("That is it."),
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{}, item{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestRoff: nothing that a text has is a request of roff's, or another character
// than it was.
func TestRoff(t *testing.T) {
	page := Page{Name: "page", Section: 8, Summary: "a page", blocks: parseText(`SYNOPSIS

  page [--flag FILE] [DOMAIN...]

DESCRIPTION

.SH is a request, and 'this. It ends with a \ and → "quotes"; page(8) has --the-flag.

  .PP
  'echo' ~ ` + "`x` ^" + `

  --flag FILE  a flag
`)}
	const want = `.TH "PAGE" 8 2026-01-02 "virt\-netboot 1.0"
.nr HY 0
.ad l
.SH NAME
page \- a page
.SH "SYNOPSIS"
.SY page
[\fB\-\-flag\fR\~\fIFILE\fR] [\fIDOMAIN\fR...\&]
.YS
.SH "DESCRIPTION"
\&.SH is a request, and \(aqthis. It ends with a \e and \[u2192] "quotes";
\fBpage\fR(8) has \fB\-\-the\-flag\fR.
.PP
.RS 4
.EX
\&.PP
\(aqecho\(aq \(ti \(gax\(ga \(ha
.EE
.RE
.TP
\fB\-\-flag\fR \fIFILE\fR
a flag
`
	got := page.Roff("1.0", time.Date(2026, 1, 2, 23, 0, 0, 0, time.UTC))
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
