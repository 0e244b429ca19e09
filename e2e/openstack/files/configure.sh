#!/bin/bash
# Configures OpenStack in a tree in which nothing runs. network.sh has what differs
# between Neutron's drivers.
set -eu
export SYSTEMCTL_SKIP_SYSV=1 # update-rc.d takes seconds for each unit

database() { echo "connection = mysql+pymysql://${1%_*}:lab@127.0.0.1/$1"; }
account() { # USER: how a service logs in
	cat <<-EOT
	auth_url = http://127.0.0.1:5000/v3
	www_authenticate_uri = http://127.0.0.1:5000/v3
	auth_type = password
	project_domain_name = Default
	user_domain_name = Default
	project_name = service
	username = $1
	password = lab
	region_name = RegionOne
	memcached_servers = 127.0.0.1:11211
	EOT
}
message_queue='transport_url = rabbit://openstack:lab@127.0.0.1:5672/'

echo node1 >/etc/hostname
echo '127.0.0.1 localhost node1' >/etc/hosts

# What is lost in a crash is thrown away anyway.
cat >/etc/mysql/mariadb.conf.d/99-lab.cnf <<EOT
[mysqld]
bind-address = 127.0.0.1
max_connections = 500
innodb_flush_log_at_trx_commit = 0
innodb_flush_method = fsync
innodb_use_native_aio = 0
sync_binlog = 0
character-set-server = utf8mb3
collation-server = utf8mb3_general_ci
EOT
echo 'listeners.tcp.1 = 127.0.0.1:5672' >/etc/rabbitmq/rabbitmq.conf

cat >/etc/keystone/keystone.conf <<EOT
[DEFAULT]
log_dir = /var/log/keystone
[database]
$(database keystone)
[token]
provider = fernet
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = 127.0.0.1:11211
[identity]
password_hash_rounds = 4
EOT

cat >/etc/glance/glance-api.conf <<EOT
[DEFAULT]
log_file = /var/log/glance/glance-api.log
[database]
$(database glance)
[keystone_authtoken]
$(account glance)
[paste_deploy]
flavor = keystone
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = /var/lib/glance/images
EOT

cat >/etc/placement/placement.conf <<EOT
[DEFAULT]
log_dir = /var/log/placement
[api]
auth_strategy = keystone
[placement_database]
$(database placement)
[keystone_authtoken]
$(account placement)
EOT

cat >/etc/nova/nova.conf <<EOT
[DEFAULT]
log_dir = /var/log/nova
state_path = /var/lib/nova
lock_path = /var/lock/nova
my_ip = 127.0.0.1
$message_queue
compute_driver = libvirt.LibvirtDriver
enabled_apis = osapi_compute
osapi_compute_workers = 1
allow_resize_to_same_host = true
shutdown_timeout = 4
shelved_offload_time = 0
reserved_host_memory_mb = 0
ram_allocation_ratio = 4.0
cpu_allocation_ratio = 64.0
resume_guests_state_on_host_boot = false
[api]
auth_strategy = keystone
[api_database]
$(database nova_api)
[database]
$(database nova)
[conductor]
workers = 1
[scheduler]
workers = 1
[keystone_authtoken]
$(account nova)
[placement]
$(account placement)
[neutron]
$(account neutron)
[glance]
api_servers = http://127.0.0.1:9292
[oslo_concurrency]
lock_path = /var/lib/nova/tmp
[vnc]
server_listen = 127.0.0.1
server_proxyclient_address = 127.0.0.1
[libvirt]
virt_type = qemu
cpu_mode = none
wait_soft_reboot_seconds = 5
EOT

cat >/etc/neutron/neutron.conf <<EOT
[DEFAULT]
log_dir = /var/log/neutron
state_path = /var/lib/neutron
core_plugin = ml2
service_plugins =
$message_queue
auth_strategy = keystone
api_workers = 1
rpc_workers = 1
rpc_state_report_workers = 0
[experimental]
linuxbridge = true
[agent]
root_helper = sudo /usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf
[database]
$(database neutron)
[keystone_authtoken]
$(account neutron)
[nova]
$(account nova)
[oslo_concurrency]
lock_path = /var/lib/neutron/tmp
EOT
for service in nova neutron; do install -d -o $service -g $service /var/lib/$service/tmp; done

for f in /etc/*/*uwsgi.ini; do
	sed -i -E 's/^(workers|processes) *=.*/\1 = 1/; s/^threads *=.*/threads = 8/; s/^listen *=.*/listen = 100/' "$f"
done
# eventlet patches these: with more than one thread in a process they hang.
for f in /etc/nova/nova-api-uwsgi.ini /etc/neutron/neutron-api-uwsgi.ini /etc/placement/placement-api-uwsgi.ini; do
	sed -i 's/^processes.*/processes = 3/; s/^threads.*/threads = 1/' "$f"
done
# Debian's uwsgi has no AppArmor in a container.
sed -i 's/^plugins *= *python3,apparmor/plugins = python3/; /^apparmor-profile/d' /etc/keystone/keystone-uwsgi.ini

# Each is started when what it needs is there.
systemctl disable -q mariadb rabbitmq-server memcached keystone glance-api placement-api \
	nova-{api,scheduler,conductor,compute} neutron-{api,rpc-server,linuxbridge-agent,openvswitch-agent,dhcp-agent} \
	openvswitch-switch ovn-{central,controller,host} 2>&1 | grep -v '^Removed' || true
systemctl mask -q nova-api-metadata open-iscsi iscsid isc-dhcp-server networking systemd-networkd apparmor libvirt-guests \
	apt-daily.timer apt-daily-upgrade.timer man-db.timer e2scrub_all.timer fstrim.timer
