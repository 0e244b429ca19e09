//go:build openstack

package openstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/virt-netboot/virt-netboot/e2e/nspawn"
)

// contentVersion names what addContent makes: another one makes the layer again.
const contentVersion = "1"

// What every cloud has, by IDs that are its own.
const (
	Flavor      = "small"
	LargeFlavor = "large"
	Image       = "0c0ffee0-0000-4000-8000-000000000001"
	RescueImage = "0c0ffee0-0000-4000-8000-000000000002"
)

// addContent makes accounts, endpoints, flavors and images.
func addContent(ctx context.Context, node *nspawn.Node) error {
	provider, err := authenticate(ctx, node, "admin", "admin")
	if err != nil {
		return err
	}
	if err := addEndpoints(ctx, provider); err != nil {
		return fmt.Errorf("adding accounts and endpoints: %w", err)
	}
	// These start only where they can log in.
	if _, err := node.Try("systemctl", "start", "glance-api", "nova-api"); err != nil {
		return err
	}
	// Once more, with the endpoints.
	if provider, err = authenticate(ctx, node, "admin", "admin"); err != nil {
		return err
	}
	return await(ctx, "nova-api and glance-api", func() error {
		return errors.Join(addFlavors(ctx, provider), addImages(ctx, provider))
	})
}

func addFlavors(ctx context.Context, provider *gophercloud.ProviderClient) error {
	compute, err := openstack.NewComputeV2(provider, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		return err
	}
	for name, ram := range map[string]int{Flavor: 64, LargeFlavor: 80} {
		disk := 1
		err := flavors.Create(ctx, compute, flavors.CreateOpts{ID: name, Name: name, RAM: ram, VCPUs: 1, Disk: &disk}).Err
		if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusConflict) {
			return fmt.Errorf("adding the flavor %s: %w", name, err)
		}
	}
	return nil
}

func addImages(ctx context.Context, provider *gophercloud.ProviderClient) error {
	glance, err := openstack.NewImageV2(provider, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		return err
	}
	for _, image := range []struct{ id, name, text string }{{Image, "disk", diskText}, {RescueImage, "rescue", rescueText}} {
		public := images.ImageVisibilityPublic
		err := images.Create(ctx, glance, images.CreateOpts{
			ID: image.id, Name: image.name, DiskFormat: "raw", ContainerFormat: "bare", Visibility: &public,
		}).Err
		if gophercloud.ResponseCodeIs(err, http.StatusConflict) {
			continue
		}
		if err == nil {
			err = imagedata.Upload(ctx, glance, image.id, bytes.NewReader(bootSector(image.text))).ExtractErr()
		}
		if err != nil {
			return fmt.Errorf("adding the image %s: %w", image.name, err)
		}
	}
	return nil
}

func addEndpoints(ctx context.Context, provider *gophercloud.ProviderClient) error {
	a, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		return err
	}
	service, err := projects.Create(ctx, a, projects.CreateOpts{Name: "service", DomainID: "default"}).Extract()
	if err != nil {
		return err
	}
	lab, err := projects.Create(ctx, a, projects.CreateOpts{Name: "lab", DomainID: "default"}).Extract()
	if err != nil {
		return err
	}
	role := map[string]string{}
	all, err := roles.List(a, roles.ListOpts{}).AllPages(ctx)
	if err != nil {
		return err
	}
	list, err := roles.ExtractRoles(all)
	if err != nil {
		return err
	}
	for _, r := range list {
		role[r.Name] = r.ID
	}
	for _, account := range []struct{ name, project, role string }{
		{"glance", service.ID, "admin"}, {"placement", service.ID, "admin"}, {"nova", service.ID, "admin"}, {"neutron", service.ID, "admin"},
		{"tenant", lab.ID, "member"},
	} {
		user, err := users.Create(ctx, a, users.CreateOpts{Name: account.name, Password: "lab", DomainID: "default"}).Extract()
		if err != nil {
			return err
		}
		if err := roles.Assign(ctx, a, role[account.role], roles.AssignOpts{UserID: user.ID, ProjectID: account.project}).ExtractErr(); err != nil {
			return err
		}
	}
	for _, s := range []struct{ kind, name, url string }{
		{"image", "glance", "http://127.0.0.1:9292"}, {"placement", "placement", "http://127.0.0.1:8778"},
		{"compute", "nova", "http://127.0.0.1:8774/v2.1"}, {"network", "neutron", "http://127.0.0.1:9696"},
	} {
		made, err := services.Create(ctx, a, services.CreateOpts{Type: s.kind, Name: s.name}).Extract()
		if err != nil {
			return err
		}
		for _, availability := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin} {
			if err := endpoints.Create(ctx, a, endpoints.CreateOpts{Availability: availability, Region: region, URL: s.url, ServiceID: made.ID}).Err; err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	diskText   = "DISK BOOTED"
	rescueText = "RESCUE BOOTED"
)

// bootSector is a disk whose boot sector writes text to the serial port, and again every
// five seconds.
func bootSector(text string) []byte {
	const loadedAt, textAt = 0x7c00, 0x60
	code := []byte{
		0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, 0xfb, // no segments, a stack
		0xb8, 0xe3, 0x00, 0x31, 0xd2, 0xcd, 0x14, // int 14h, ah 0: 9600 8n1
		0xbe, textAt, loadedAt >> 8, // say: mov si, text
		0xac, 0x84, 0xc0, 0x74, 0x08, // next: lodsb; test al, al; jz wait
		0xb4, 0x01, 0x31, 0xd2, 0xcd, 0x14, // int 14h, ah 1: send al
		0xeb, 0xf3, // jmp next
		0xb4, 0x86, 0xb9, 0x50, 0x00, 0x31, 0xd2, 0xcd, 0x15, // wait: int 15h, ah 86h: 0x500000 us
		0xeb, 0xe5, // jmp say
	}
	disk := make([]byte, 1<<20)
	copy(disk, code)
	copy(disk[textAt:], text+"\r\n\x00")
	copy(disk[446:], []byte{0x80, 1, 1, 0, 0x0c, 0xfe, 0xff, 0xff, 1, 0, 0, 0, 0, 1, 0, 0}) // an active partition
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}
