package network

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Entry is one thing that happened in a network.
type Entry struct {
	At           time.Time
	Source, Text string
}

// Timeline is what happened in some tenants' networks since a time, in order: what
// passed the bridges, and what the servers logged of requests and answers.
func Timeline(since time.Time, tenants ...*Tenant) []Entry {
	var all []Entry
	for _, t := range tenants {
		for _, e := range t.Capture.Events() {
			all = append(all, Entry{e.Time, "seen on " + t.Bridge, e.Text})
		}
		for _, log := range []struct {
			of     string
			server *Server
		}{
			{"OpenStack's dnsmasq", t.OpenStack},
			{"tenant's dhcpd", t.DHCP},
			{"tenant's web server", t.Web},
		} {
			for _, line := range log.server.Lines() {
				if text, ok := request(line.Text); ok {
					all = append(all, Entry{line.At, log.of, text})
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(e Entry) bool { return e.At.Before(since) })
	slices.SortStableFunc(all, func(a, b Entry) int { return a.At.Compare(b.At) })
	return all
}

// request is a line of a server's log without what its name says already, if it is
// about a request or an answer.
func request(line string) (string, bool) {
	if _, text, ok := strings.Cut(line, "]: "); ok && strings.HasPrefix(line, "dnsmasq-dhcp[") {
		line = text
	}
	if _, get, ok := strings.Cut(line, `"GET `); ok {
		return "GET " + strings.Replace(get, ` HTTP/1.1"`, "", 1), true
	}
	return line, strings.HasPrefix(line, "DHCP") && !strings.HasPrefix(line, DnsmasqReady)
}

// Print writes entries with their seconds since a time.
func Print(w io.Writer, since time.Time, entries []Entry) error {
	for _, e := range entries {
		if _, err := fmt.Fprintf(w, "  %6.2f s  %-20s  %s\n", e.At.Sub(since).Seconds(), e.Source, e.Text); err != nil {
			return err
		}
	}
	return nil
}

// Asked is how many requests passed the tenant's bridge or arrived at its own server
// since a time.
func (t *Tenant) Asked(since time.Time) int {
	count := 0
	for _, e := range t.Capture.Events() {
		if !e.Time.Before(since) {
			count++
		}
	}
	for _, line := range slices.Concat(t.DHCP.Lines(), t.Web.Lines()) {
		if _, ok := request(line.Text); ok && !line.At.Before(since) {
			count++
		}
	}
	return count
}
