#!/bin/bash
# Makes the databases and starts keystone, once, in the node that configure.sh has
# configured. Accounts, images and flavors come by the APIs.
set -eu
export SYSTEMCTL_SKIP_SYSV=1 # update-rc.d takes seconds for each unit
as() { user=$1; shift; runuser -u "$user" -- "$@"; }

systemctl enable -q --now mariadb memcached rabbitmq-server
for d in keystone glance placement nova nova_api nova_cell0 neutron; do
	for host in localhost 127.0.0.1; do
		mariadb -e "CREATE DATABASE IF NOT EXISTS $d; GRANT ALL ON $d.* TO '${d%_*}'@'$host' IDENTIFIED BY 'lab'"
	done
done
rabbitmqctl -q await_startup
rabbitmqctl -q add_user openstack lab
rabbitmqctl -q set_permissions openstack '.*' '.*' '.*'

keystone() {
	as keystone keystone-manage db_sync
	keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone
	keystone-manage credential_setup --keystone-user keystone --keystone-group keystone
	u=http://127.0.0.1:5000/v3
	keystone-manage bootstrap --bootstrap-password lab --bootstrap-region-id RegionOne \
		--bootstrap-admin-url $u --bootstrap-internal-url $u --bootstrap-public-url $u
	chown -R keystone:keystone /var/log/keystone /etc/keystone
}
nova() {
	as nova nova-manage api_db sync
	as nova nova-manage cell_v2 map_cell0 --database_connection mysql+pymysql://nova:lab@127.0.0.1/nova_cell0
	as nova nova-manage cell_v2 create_cell --name=cell1
	as nova nova-manage db sync
}
neutron() {
	as neutron neutron-db-manage --config-file /etc/neutron/neutron.conf upgrade head
}
keystone
as placement placement-manage db sync
as glance glance-manage db_sync
nova & a=$!
neutron & b=$!
wait $a
wait $b
systemctl enable -q --now keystone
systemctl enable -q glance-api placement-api nova-conductor nova-scheduler nova-api
