package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// writeJSON writes v for programs, indented so that a person can read it.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return &failure{error: fmt.Errorf("encoding the output: %w", err)}
	}
	return write(w, b.Bytes())
}

// jsonResult is a domainxml.Result as `rewrite --json` writes it.
type jsonResult struct {
	Domain   jsonDomain          `json:"domain"`
	Rule     string              `json:"rule,omitempty"` // absent where none decided
	Changed  bool                `json:"changed"`
	Changes  []domainxml.Change  `json:"changes"`
	Warnings []domainxml.Warning `json:"warnings"`
	Document string              `json:"document"`
}

type jsonDomain struct {
	Name string `json:"name"`
	UUID string `json:"uuid,omitempty"`
	Type string `json:"type"`
}

func newJSONResult(res domainxml.Result) jsonResult {
	out := jsonResult{
		Domain:   jsonDomain{Name: res.Domain.Name, UUID: res.Domain.UUID, Type: res.Domain.Type},
		Changed:  res.Changed(),
		Changes:  list(res.Changes),
		Warnings: list(res.Warnings),
		Document: string(res.Output),
	}
	if res.Rule != nil {
		out.Rule = res.Rule.Name
	}
	return out
}

// list is a slice that is [] in JSON, not null, where it is empty.
func list[T any](s []T) []T { return append([]T{}, s...) }
