// Package openstack runs an all-in-one OpenStack of Debian's packages in a container:
// keystone, glance, placement, nova and neutron, with virt-netboot's package beside
// nova-compute. Its files and tests have the build tag openstack: make test-openstack.
//
//	cloud.go    the layers that are cached, and a cloud that runs
//	api.go      what tenants and operators ask the cloud's APIs for
//	tenant.go   a tenant's own servers, on a port of Neutron's
//	instance.go an instance, and what it boots
//	files/      the scripts that configure the cloud, the disk that an image has
//	demo/       make demo-openstack
package openstack
