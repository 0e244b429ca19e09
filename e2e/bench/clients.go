package main

import (
	"context"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const (
	pollers    = 50
	polled     = 200 // domains
	pollPeriod = time.Second
	polls      = 5 // of each client in a round
	pollRounds = 5 // and one more for warming up

	idleClients = 1000
	idleMemory  = 20 << 20 // bytes that they may take
)

// clients measures what many clients cost the agent, and systemd-socket-proxyd in its
// place.
func (b bench) clients(ctx context.Context) error {
	if err := b.define(ctx, 0, polled); err != nil {
		return err
	}
	rows, err := b.withProxies(ctx, poll)
	if err != nil {
		return err
	}
	if err := undefineAll(); err != nil {
		return err
	}
	idle, err := b.withProxies(ctx, idleConnections)
	if err != nil {
		return err
	}
	return printTable("the gateway, many clients", append(rows, idle...))
}

// proxy is a process that clients reach libvirtd through.
type proxy struct {
	path
	pid int
}

// withProxies measures the agent and systemd-socket-proxyd, which have just started.
func (b bench) withProxies(ctx context.Context, measure func(agent, other proxy) ([]row, error)) ([]row, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	if err := b.lab.StartAgent(ctx, "--only", status.ComponentGateway); err != nil {
		return nil, err
	}
	defer func() { _ = b.lab.StopAgent() }()
	agent, other := proxy{pid: b.lab.AgentPID()}, proxy{}
	for _, p := range paths() {
		switch p.name {
		case through:
			agent.path = p
		case proxyd:
			pid, err := p.listen(ctx)
			if err != nil {
				return nil, err
			}
			other = proxy{p, pid}
		}
	}
	return measure(agent, other)
}

// poll measures the processor time of a call, with clients that ask for the statistics
// of all domains once a period.
func poll(agent, other proxy) ([]row, error) {
	fmt.Printf("\n%d clients that poll %d domains' statistics, every %v …\n", pollers, polled, pollPeriod)
	proxies := []proxy{agent, other}
	clients := make([][]*golibvirt.Libvirt, len(proxies))
	for i, p := range proxies {
		opened, err := open(p.socket, pollers)
		defer disconnect(opened)
		if err != nil {
			return nil, err
		}
		clients[i] = opened
	}
	took := make([][]float64, len(proxies)) // seconds a call, of each round
	for round := range pollRounds + 1 {
		for i, p := range proxies {
			before, err := processorTime(p.pid)
			if err != nil {
				return nil, err
			}
			if err := pollAll(clients[i]); err != nil {
				return nil, fmt.Errorf("over %s: %w", p.name, err)
			}
			after, err := processorTime(p.pid)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				took[i] = append(took[i], (after-before).Seconds()/(pollers*polls))
			}
		}
	}
	for i, p := range proxies {
		fmt.Printf("  %-22s %10.3f ms of the processor a call\n", p.name, 1000*median(took[i]))
	}
	return []row{{
		fmt.Sprintf("processor time of a poll of %d domains, %d clients", polled, pollers), other.name, median(took[0]) / median(took[1]), goal{},
	}}, nil
}

// pollAll has each client poll once a period, and all of them spread over it.
func pollAll(clients []*golibvirt.Libvirt) error {
	var g errgroup.Group
	for i, c := range clients {
		g.Go(func() error {
			time.Sleep(pollPeriod * time.Duration(i) / time.Duration(len(clients)))
			ticker := time.NewTicker(pollPeriod)
			defer ticker.Stop()
			for range polls {
				statistics, err := c.ConnectGetAllDomainStats(nil, 0, 0)
				if err != nil {
					return fmt.Errorf("polling: %w", err)
				}
				if len(statistics) != polled {
					return fmt.Errorf("polling: statistics of %d domains, not of %d", len(statistics), polled)
				}
				<-ticker.C
			}
			return nil
		})
	}
	return g.Wait()
}

// idleConnections measures the memory that connections take on which nothing happens.
func idleConnections(agent, other proxy) ([]row, error) {
	fmt.Printf("\n%d idle connections …\n", idleClients)
	var rows []row
	for _, p := range []proxy{agent, other} {
		grown, err := grownBy(p)
		if err != nil {
			return nil, fmt.Errorf("over %s: %w", p.name, err)
		}
		fmt.Printf("  %-22s %10.1f MiB\n", p.name, float64(grown)/(1<<20))
		rows = append(rows, row{fmt.Sprintf("memory of %d idle connections, %s", idleClients, p.name), "20 MiB", float64(grown) / idleMemory, goal{}})
	}
	rows[0].goal.ratio = 1
	return rows, nil
}

// grownBy is how many bytes of memory idle clients take in a process.
func grownBy(p proxy) (int64, error) {
	first, err := open(p.socket, 1) // systemd-socket-proxyd starts at the first connection
	if err != nil {
		return 0, err
	}
	defer disconnect(first)
	before, err := settledMemory(p.pid)
	if err != nil {
		return 0, err
	}
	clients, err := open(p.socket, idleClients)
	defer disconnect(clients)
	if err != nil {
		return 0, err
	}
	after, err := settledMemory(p.pid)
	return after - before, err
}

// settledMemory is a process's resident memory once its connections are idle.
func settledMemory(pid int) (int64, error) {
	time.Sleep(2 * time.Second)
	return residentMemory(pid)
}

// open opens n clients' connections. Those that are open are returned with an error, too.
func open(socket string, n int) ([]*golibvirt.Libvirt, error) {
	var clients []*golibvirt.Libvirt
	for range n {
		c := golibvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(socket)))
		if err := c.ConnectToURI(golibvirt.QEMUSystem); err != nil {
			return clients, fmt.Errorf("opening connection %d on %s: %w", len(clients)+1, socket, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func disconnect(clients []*golibvirt.Libvirt) {
	for _, c := range clients {
		_ = c.Disconnect()
	}
}

// undefineAll undefines all domains, bypassing the gateway.
func undefineAll() error {
	clients, err := open(lab.LibvirtSocket, 1)
	defer disconnect(clients)
	if err != nil {
		return err
	}
	domains, _, err := clients[0].ConnectListAllDomains(1, 0)
	if err != nil {
		return fmt.Errorf("listing the domains: %w", err)
	}
	for _, d := range domains {
		if err := clients[0].DomainUndefine(d); err != nil {
			return fmt.Errorf("undefining %s: %w", d.Name, err)
		}
	}
	return nil
}
