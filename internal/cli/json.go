package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// writeJSON writes v for programs that may also be read by a person.
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
	Domain   jsonDomain    `json:"domain"`
	Rule     string        `json:"rule,omitempty"` // absent where none decided
	Changed  bool          `json:"changed"`
	Changes  []jsonChange  `json:"changes"`
	Warnings []jsonWarning `json:"warnings"`
	Document string        `json:"document"`
}

type jsonDomain struct {
	Name string `json:"name"`
	UUID string `json:"uuid,omitempty"`
	Type string `json:"type"`
}

type jsonChange struct {
	Kind      domainxml.ChangeKind `json:"kind"`
	Interface string               `json:"interface,omitempty"`
	From      string               `json:"from"`
	To        string               `json:"to"`
	Text      string               `json:"text"`
}

type jsonWarning struct {
	Kind      domainxml.WarningKind `json:"kind"`
	Interface string                `json:"interface,omitempty"`
	Kernel    string                `json:"kernel,omitempty"`
	Initrd    string                `json:"initrd,omitempty"`
	Filter    string                `json:"filter,omitempty"`
	Variables []string              `json:"variables,omitempty"`
	Disk      string                `json:"disk,omitempty"`
	Reason    string                `json:"reason,omitempty"`
	Text      string                `json:"text"`
}

func newJSONResult(res domainxml.Result) jsonResult {
	out := jsonResult{
		Domain:   jsonDomain{Name: res.Domain.Name, UUID: res.Domain.UUID, Type: res.Domain.Type},
		Changed:  res.Changed(),
		Changes:  jsonChanges(res.Changes),
		Warnings: jsonWarnings(res.Warnings),
		Document: string(res.Output),
	}
	if res.Rule != nil {
		out.Rule = res.Rule.Name
	}
	return out
}

func jsonChanges(changes []domainxml.Change) []jsonChange {
	out := make([]jsonChange, len(changes))
	for i, c := range changes {
		out[i] = jsonChange{Kind: c.Kind, Interface: c.Interface, From: c.From, To: c.To, Text: c.String()}
	}
	return out
}

func jsonWarnings(warnings []domainxml.Warning) []jsonWarning {
	out := make([]jsonWarning, len(warnings))
	for i, w := range warnings {
		out[i] = jsonWarning{Kind: w.Kind, Interface: w.Interface, Filter: w.Filter, Variables: w.Variables, Kernel: w.Kernel, Initrd: w.Initrd, Disk: w.Disk, Reason: w.Reason, Text: w.String()}
	}
	return out
}
