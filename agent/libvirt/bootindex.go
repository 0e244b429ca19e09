package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// behind is added to the boot index of a device that is to come after all others. It
// is more than a guest has devices.
const behind = 1000

// BootLast has the firmware of a running guest try a device after all others, from
// its next reset on. The device is named by its alias, such as net0. One without a
// boot index, or that comes last already, stays as it is.
//
// libvirt has no call for this, so BootLast asks QEMU, with
// virDomainQemuMonitorCommand; libvirt then marks the guest's log with
// "custom-monitor". At every reset, QEMU makes the list again that the firmware reads
// (fw_cfg_machine_reset in its hw/nvram/fw_cfg.c).
func (c *Conn) BootLast(ctx context.Context, d Domain, device string) error {
	property := map[string]any{"path": "/machine/peripheral/" + device, "property": "bootindex"}
	var index int
	if err := c.monitor(ctx, d, "qom-get", property, &index); err != nil {
		return fmt.Errorf("reading the boot index of %s: %w", device, err)
	}
	if index < 0 || index >= behind {
		return nil
	}
	property["value"] = behind + index
	if err := c.monitor(ctx, d, "qom-set", property, nil); err != nil {
		return fmt.Errorf("setting the boot index of %s: %w", device, err)
	}
	return nil
}

// monitor runs a QMP command.
func (c *Conn) monitor(ctx context.Context, d Domain, execute string, arguments map[string]any, result any) error {
	command, err := json.Marshal(map[string]any{"execute": execute, "arguments": arguments})
	if err != nil {
		return err
	}
	var text string
	err = c.call(ctx, "asking the QEMU of domain "+d.Name, func() (err error) {
		text, err = c.rpc.QEMUDomainMonitorCommand(handle(d), string(command), 0)
		return err
	})
	if err != nil {
		return err
	}
	var answer struct {
		Return json.RawMessage
		Error  *struct{ Desc string }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return fmt.Errorf("reading the answer of the QEMU of domain %s: %w", d.Name, err)
	}
	if answer.Error != nil {
		return errors.New("QEMU: " + answer.Error.Desc)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Return, result)
}
