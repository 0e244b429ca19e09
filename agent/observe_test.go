package agent

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestObserved: what the packaged alerts, their tests and the dashboard ask
// Prometheus for is what the agent exports, with the labels and their values; and
// whatever the agent exports of its own, one of them shows.
func TestObserved(t *testing.T) {
	m := &exported{series: export(t), used: map[string]bool{}}
	t.Run("alerts", func(t *testing.T) {
		for _, a := range alerts(t) {
			given := m.check(t, a.Alert, a.Expr)
			for _, text := range a.Annotations {
				checkTemplate(t, a.Alert, text, `\$labels\.(\w+)`, given)
			}
		}
	})
	t.Run("tests of alerts", func(t *testing.T) {
		tests := testsOfAlerts(t)
		for _, test := range tests {
			for _, s := range test.InputSeries {
				m.check(t, test.Name, s.Series)
			}
		}
		for _, a := range alerts(t) {
			if !slices.ContainsFunc(tests, func(test alertTest) bool { return test.Name == a.Alert }) {
				t.Errorf("%s has no test", a.Alert)
			}
		}
	})
	t.Run("dashboard", func(t *testing.T) {
		d := readDashboard(t)
		for _, v := range d.Templating.List {
			if selector, label, ok := labelValues(v.Definition); ok {
				checkTemplate(t, v.Name, label, `(.+)`, m.check(t, v.Name, d.expand(selector)))
			}
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				given := m.check(t, p.Title, d.expand(target.Expr))
				checkTemplate(t, p.Title, target.LegendFormat, `{{(\w+)}}`, given)
				if n := strings.Count(target.Expr, `{`); n != strings.Count(target.Expr, `job=~"$job", instance=~"$instance"`) {
					t.Errorf("%s: not every selector of %s asks for the nodes that are chosen", p.Title, target.Expr)
				}
			}
		}
	})
	for _, s := range m.series {
		if name := s.Get(labels.MetricName); strings.HasPrefix(name, "virt_netboot_") && !m.used[name] {
			t.Errorf("neither an alert nor the dashboard shows %s", name)
		}
	}
}

// exported is what the agents of a Prometheus export.
type exported struct {
	series []labels.Labels
	used   map[string]bool // names that were asked for
}

// check fails the test where an expression asks for something that is not exported.
// It returns the labels of what the expression gives.
func (m *exported) check(t *testing.T, what, expr string) map[string]bool {
	t.Helper()
	e, err := parser.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %s: %v", what, expr, err)
		return nil
	}
	return m.labels(t, what, e)
}

func (m *exported) labels(t *testing.T, what string, e parser.Node) map[string]bool {
	t.Helper()
	switch e := e.(type) {
	case *parser.VectorSelector:
		return m.selected(t, what, e)
	case *parser.AggregateExpr:
		return grouped(t, what, e, m.labels(t, what, e.Expr))
	}
	given := map[string]bool{}
	for _, child := range parser.Children(e) {
		maps.Copy(given, m.labels(t, what, child))
	}
	return given
}

func (m *exported) selected(t *testing.T, what string, e *parser.VectorSelector) map[string]bool {
	t.Helper()
	given := map[string]bool{}
	for _, s := range m.series {
		if slices.ContainsFunc(e.LabelMatchers, func(l *labels.Matcher) bool { return !matches(l, s) }) {
			continue
		}
		m.used[s.Get(labels.MetricName)] = true
		s.Range(func(l labels.Label) { given[l.Name] = true })
	}
	if len(given) == 0 {
		t.Errorf("%s: the agent exports no %s", what, e)
	}
	return given
}

// matches is for a series of any node: the tests of the alerts make up their own.
func matches(l *labels.Matcher, series labels.Labels) bool {
	return l.Name == "instance" || l.Matches(series.Get(l.Name))
}

func grouped(t *testing.T, what string, e *parser.AggregateExpr, given map[string]bool) map[string]bool {
	t.Helper()
	kept := map[string]bool{}
	if e.Without {
		kept = maps.Clone(given)
	}
	for _, name := range e.Grouping {
		if !given[name] {
			t.Errorf("%s: %s groups by %s, which it does not have", what, e, name)
		}
		if kept[name] = !e.Without; e.Without {
			delete(kept, name)
		}
	}
	return kept
}

// checkTemplate fails the test where a text names a label that there is not.
func checkTemplate(t *testing.T, what, text, pattern string, given map[string]bool) {
	t.Helper()
	for _, name := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if !given[name[1]] {
			t.Errorf("%s: %q names the label %s, which there is not", what, text, name[1])
		}
	}
}

// export is what a Prometheus has of an agent that runs, and what it has of its own.
func export(t *testing.T) []labels.Labels {
	t.Helper()
	c := config.Default()
	c.Mode = config.ModeObserve // the files are this machine's own
	a := New("", c, quiet(), Options{})
	go a.files.run(t.Context())
	for deadline := time.Now().Add(30 * time.Second); len(a.files.status()) != len(c.Files); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the files' status is not known within 30 s")
		}
	}
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	target := []string{"job", "virt-netboot", "instance", "node:9178"}
	series := []labels.Labels{
		labels.FromStrings(append(target, labels.MetricName, "up")...),
		labels.FromStrings(append(target, labels.MetricName, "ALERTS", "alertname", "VirtNetbootDown", "alertstate", "firing", "severity", "critical")...),
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			pairs := append(target, labels.MetricName, f.GetName())
			for _, l := range metric.GetLabel() {
				pairs = append(pairs, l.GetName(), l.GetValue())
			}
			series = append(series, labels.FromStrings(pairs...))
		}
	}
	return series
}

type alert struct {
	Alert, Expr string
	Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	read(t, "prometheus/virt-netboot.rules.yaml", yaml.Unmarshal, &file)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

type alertTest struct {
	Name        string
	InputSeries []struct{ Series string } `yaml:"input_series"`
}

func testsOfAlerts(t *testing.T) []alertTest {
	t.Helper()
	var file struct{ Tests []alertTest }
	read(t, "prometheus/virt-netboot.test.yaml", yaml.Unmarshal, &file)
	return file.Tests
}

// read reads a packaged file.
func read(t *testing.T, name string, unmarshal func([]byte, any) error, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../packaging", name))
	if err == nil {
		err = unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type dashboard struct {
	Panels     []panel
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat string }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	read(t, "grafana/virt-netboot.json", json.Unmarshal, &d)
	return d
}

// expand puts in what Grafana does for variables; of another one the expression
// would not be PromQL.
func (d dashboard) expand(expr string) string {
	expr = strings.ReplaceAll(expr, "$__rate_interval", "5m")
	for _, v := range d.Templating.List {
		expr = strings.ReplaceAll(expr, "$"+v.Name, ".*")
	}
	return expr
}

// labelValues takes label_values(SELECTOR, LABEL) apart.
func labelValues(definition string) (selector, label string, ok bool) {
	m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(definition)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// TestDashboard: no panel hides another or has its number.
func TestDashboard(t *testing.T) {
	panels := readDashboard(t).Panels
	if len(panels) == 0 {
		t.Fatal("the dashboard has no panels")
	}
	for i, p := range panels {
		a := p.GridPos
		if a.W < 1 || a.H < 1 || a.X < 0 || a.X+a.W > 24 {
			t.Errorf("%s is not within the grid: %+v", p.Title, a)
		}
		for _, q := range panels[:i] {
			b := q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s and %s overlap", q.Title, p.Title)
			}
			if p.ID == q.ID {
				t.Errorf("%s and %s are both panel %d", q.Title, p.Title, p.ID)
			}
		}
	}
}
