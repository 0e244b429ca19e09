package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// AddBridge adds a bridge and sets it up, unless it is there.
func (l *Lab) AddBridge(ctx context.Context, name string) error {
	if _, err := os.Stat(filepath.Join("/sys/class/net", name)); err == nil {
		return nil
	}
	if _, err := l.Command(ctx, "ip", "link", "add", name, "type", "bridge"); err != nil {
		return err
	}
	_, err := l.Command(ctx, "ip", "link", "set", name, "up")
	return err
}

// filterXML is nova-base, as Nova up to Essex defined it for all its instances
// (nova/virt/libvirt/firewall.py, NWFilterFirewall.nova_base_filter).
const filterXML = `<filter name='%s' chain='root'>
  <filterref filter='no-mac-spoofing'/>
  <filterref filter='no-ip-spoofing'/>
  <filterref filter='no-arp-spoofing'/>
  <filterref filter='allow-dhcp-server'/>
</filter>
`

// shortFilterXML has one rule. libvirt puts it on a port, and takes it off, in a tenth
// of the time that nova-base takes.
const shortFilterXML = `<filter name='%s' chain='root'>
  <rule action='accept' direction='inout'/>
</filter>
`

// DefineFilter defines an nwfilter like Nova's nova-base, unless one of that name
// is there.
func (l *Lab) DefineFilter(ctx context.Context, name string) error {
	return l.defineFilter(ctx, name, filterXML)
}

// DefineShortFilter is DefineFilter for tests in which no frame meets the filter.
func (l *Lab) DefineShortFilter(ctx context.Context, name string) error {
	return l.defineFilter(ctx, name, shortFilterXML)
}

func (l *Lab) defineFilter(ctx context.Context, name, xml string) error {
	if _, err := l.Virsh(ctx, "nwfilter-dumpxml", name); err == nil {
		return nil
	}
	file := filepath.Join(layersDir, "nwfilter-"+name+".xml")
	if err := os.WriteFile(file, fmt.Appendf(nil, xml, name), 0o644); err != nil {
		return err
	}
	_, err := l.Virsh(ctx, "nwfilter-define", file)
	return err
}
