//go:build openstack

package openstack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	computeservices "github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/vishvananda/netns"

	"github.com/virt-netboot/virt-netboot/e2e/nspawn"
)

// API is what one account of one project asks for.
type API struct {
	Compute, Network *gophercloud.ServiceClient
}

// authenticate logs an account in. All have the same password.
func authenticate(ctx context.Context, node *nspawn.Node, project, user string) (*gophercloud.ProviderClient, error) {
	provider, err := openstack.NewClient("http://127.0.0.1:5000/v3")
	if err != nil {
		return nil, err
	}
	provider.HTTPClient = http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, // uWSGI closes each connection, which a request that is sent on it would not survive
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialIn(ctx, node.PID1(), network, address)
		},
	}}
	options := gophercloud.AuthOptions{
		IdentityEndpoint: provider.IdentityBase, Username: user, Password: "lab", DomainName: "Default", TenantName: project, AllowReauth: true,
	}
	return provider, await(ctx, "keystone", func() error { return openstack.Authenticate(ctx, provider, options) })
}

// login opens the APIs to an account.
func login(ctx context.Context, node *nspawn.Node, project, user string) (*API, error) {
	provider, err := authenticate(ctx, node, project, user)
	if err != nil {
		return nil, err
	}
	var a API
	for _, c := range []struct {
		client **gophercloud.ServiceClient
		open   func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{
		{&a.Compute, openstack.NewComputeV2}, {&a.Network, openstack.NewNetworkV2},
	} {
		if *c.client, err = c.open(provider, gophercloud.EndpointOpts{Region: region}); err != nil {
			return nil, err
		}
	}
	return &a, nil
}

// dialIn connects from the network namespace of a process.
func dialIn(ctx context.Context, pid int, network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	here, err := netns.Get()
	if err != nil {
		return nil, err
	}
	defer here.Close()
	there, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if back := netns.Set(here); back != nil {
		panic(back) // the thread must not serve others in the node's namespace
	}
	runtime.UnlockOSThread()
	return conn, err
}

func (a *API) agentsAlive(ctx context.Context, want int) error {
	// Not gophercloud's agents: it cannot read the times of OVN's.
	var body struct{ Agents []struct{ Alive bool } }
	if _, err := a.Network.Get(ctx, a.Network.ServiceURL("agents"), &body, nil); err != nil {
		return err
	}
	alive := 0
	for _, agent := range body.Agents {
		if agent.Alive {
			alive++
		}
	}
	if alive < want {
		return fmt.Errorf("%d of %d live", alive, want)
	}
	return nil
}

func (a *API) computeUp(ctx context.Context) error {
	pages, err := computeservices.List(a.Compute, computeservices.ListOpts{Binary: "nova-compute"}).AllPages(ctx)
	if err != nil {
		return err
	}
	all, err := computeservices.ExtractServices(pages)
	// Nova disables one that has lost libvirt, for as long.
	if err == nil && (len(all) != 1 || all[0].State != "up" || all[0].Status != "enabled") {
		err = fmt.Errorf("%d of them, %v", len(all), all)
	}
	return err
}

// Net is a network of a tenant's, with one subnet.
type Net struct{ ID, CIDR string }

// AddNet makes a network. dhcp says whether OpenStack's DHCP serves it.
func (a *API) AddNet(ctx context.Context, name, cidr string, dhcp bool) (Net, error) {
	n, err := networks.Create(ctx, a.Network, networks.CreateOpts{Name: name}).Extract()
	if err != nil {
		return Net{}, fmt.Errorf("making the network %s: %w", name, err)
	}
	// OVN's DHCP answers in a subnet with a gateway only.
	_, err = subnets.Create(ctx, a.Network, subnets.CreateOpts{
		NetworkID: n.ID, CIDR: cidr, IPVersion: gophercloud.IPv4, Name: name, EnableDHCP: &dhcp,
	}).Extract()
	if err != nil {
		return Net{}, fmt.Errorf("making the subnet %s: %w", cidr, err)
	}
	return Net{n.ID, cidr}, nil
}

// Port is what a port has besides its network, as Neutron's API names it.
type Port map[string]any

// ToPortCreateMap makes it a request's body.
func (p Port) ToPortCreateMap() (map[string]any, error) {
	return map[string]any{"port": map[string]any(p)}, nil
}

// portUpdate is what changes of a port.
type portUpdate struct{ Port }

// ToPortUpdateMap makes it a request's body.
func (u portUpdate) ToPortUpdateMap() (map[string]any, error) { return u.ToPortCreateMap() }

// Open is a port without port security.
func (p Port) Open() Port {
	return p.with("port_security_enabled", false).with("security_groups", []string{})
}

// BootFile is a port to which OpenStack's DHCP names a boot file.
func (p Port) BootFile(url, server string) Port {
	return p.with("extra_dhcp_opts", []map[string]string{dhcpOption("bootfile-name", url), dhcpOption("server-ip-address", server)})
}

// DHCPDisabled is a port that OVN's DHCP does not answer.
func (p Port) DHCPDisabled() Port {
	return p.with("extra_dhcp_opts", []map[string]string{dhcpOption("dhcp_disabled", "true")})
}

func dhcpOption(name, value string) map[string]string {
	return map[string]string{"opt_name": name, "opt_value": value}
}

func (p Port) with(key string, value any) Port {
	more := Port{key: value}
	for k, v := range p {
		more[k] = v
	}
	return more
}

// AddPort makes a port in a network.
func (a *API) AddPort(ctx context.Context, n Net, p Port) (*ports.Port, error) {
	made, err := ports.Create(ctx, a.Network, p.with("network_id", n.ID)).Extract()
	if err != nil {
		return nil, fmt.Errorf("making a port: %w", err)
	}
	return made, nil
}

// Allow lets UDP or TCP in to a port of the tenant's instances, from one address or, with
// "", from all: a rule of the security group that Neutron gives every port.
func (a *API) Allow(ctx context.Context, protocol rules.RuleProtocol, port int, from string) error {
	pages, err := groups.List(a.Network, groups.ListOpts{Name: "default"}).AllPages(ctx)
	if err != nil {
		return err
	}
	all, err := groups.ExtractGroups(pages)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%d groups are named default", len(all))
	}
	if err != nil {
		return err
	}
	return rules.Create(ctx, a.Network, rules.CreateOpts{
		Direction: rules.DirIngress, EtherType: rules.EtherType4, SecGroupID: all[0].ID,
		Protocol: protocol, PortRangeMin: port, PortRangeMax: port, RemoteIPPrefix: from,
	}).Err
}

// region is the only one.
const region = "RegionOne"
