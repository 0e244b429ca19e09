package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// path is a way to libvirtd.
type path struct {
	name, socket string
	command      []string // what listens on the socket; nil: it is there
}

const (
	direct  = "direct"
	through = "gateway"
	proxyd  = "systemd-socket-proxyd"
)

func paths() []path {
	const socat, socketProxyd = "/run/socat-sock", "/run/proxyd-sock"
	return []path{
		{direct, lab.LibvirtSocket, nil},
		{through, lab.GatewaySocket, nil},
		{"socat", socat, []string{"socat", "UNIX-LISTEN:" + socat + ",fork", "UNIX-CONNECT:" + lab.LibvirtSocket}},
		{proxyd, socketProxyd, []string{"systemd-socket-activate", "--listen=" + socketProxyd,
			"/lib/systemd/systemd-socket-proxyd", "--connections-max=5000", lab.LibvirtSocket}},
	}
}

// listen starts what listens on the socket, until the context ends, and returns its
// process, which is 0 where it is there.
func (p path) listen(ctx context.Context) (pid int, err error) {
	if p.command == nil {
		return 0, nil
	}
	if err := os.RemoveAll(p.socket); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting %s: %w", p.name, err)
	}
	if err := awaitFile(ctx, p.socket); err != nil {
		return 0, fmt.Errorf("starting %s: %w", p.name, err)
	}
	return cmd.Process.Pid, nil
}

// gateway times libvirt's own client over each path to a real libvirtd.
func (b bench) gateway(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	if err := b.lab.StartAgent(ctx, "--only", status.ComponentGateway); err != nil {
		return err
	}
	defer func() { _ = b.lab.StopAgent() }()
	pool, err := os.MkdirTemp(lab.InstancesDir, "bench")
	if err != nil {
		return err
	}
	args := []string{filepath.Join(b.testdata, "client.py"), pool, filepath.Join(b.testdata, "domain.xml")}
	for _, p := range paths() {
		if _, err := p.listen(ctx); err != nil {
			return err
		}
		args = append(args, p.name+"="+p.socket)
	}
	fmt.Println("\ntiming libvirt's calls over each path, about a minute …")
	out, err := b.lab.Command(ctx, "/usr/bin/python3", args...)
	if err != nil {
		return err
	}
	var took map[string]map[string][]float64 // call, path, seconds of a round
	if err := json.Unmarshal([]byte(out), &took); err != nil {
		return fmt.Errorf("reading the client's times: %w", err)
	}
	printTimes(took)
	return printTable("the gateway, time against a direct connection (for uploads: throughput)", gatewayRows(took))
}

// printTimes prints what one call took, the median of its rounds.
func printTimes(took map[string]map[string][]float64) {
	perRound := map[string]float64{"getLibVersion": 2000, "defineXML": 20, "volume upload": 1}
	for _, call := range calls() {
		for _, p := range paths() {
			fmt.Printf("  %-14s %-22s %10.3f ms\n", call, p.name, 1000*median(took[call][p.name])/perRound[call])
		}
	}
}

func calls() []string { return []string{"getLibVersion", "defineXML", "volume upload"} }

func gatewayRows(took map[string]map[string][]float64) []row {
	goals := map[string]goal{
		"getLibVersion": {ratio: 1.35},
		"defineXML":     {ratio: 1.08},
		"volume upload": {ratio: 0.95, atLeast: true},
	}
	var rows []row
	for _, call := range calls() {
		base := median(took[call][direct])
		for _, p := range paths()[1:] {
			r := row{what: call, against: p.name + " / direct", ratio: median(took[call][p.name]) / base}
			if goals[call].atLeast {
				r.ratio = 1 / r.ratio
			}
			if p.name == through {
				r.goal = goals[call]
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// awaitFile waits until a socket is there. It does not connect, since
// systemd-socket-activate hands over the first connection it sees.
func awaitFile(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return lab.Await(ctx, func() error {
		info, err := os.Stat(socket)
		if err == nil && info.Mode().Type() != os.ModeSocket {
			return &net.AddrError{Err: "not a socket", Addr: socket}
		}
		return err
	})
}
