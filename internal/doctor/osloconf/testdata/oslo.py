"""What oslo.config makes of files: oslo.py FILE... prints JSON."""

import json
import re
import sys

from oslo_config import cfg

conf = cfg.ConfigOpts()
conf.register_opts([cfg.StrOpt("my_ip"), cfg.StrOpt("state_path"), cfg.StrOpt("compute_driver"), cfg.StrOpt("loop")])
conf.register_opts([
    cfg.StrOpt("connection_uri", deprecated_name="libvirt_uri", deprecated_group="DEFAULT"),
    cfg.StrOpt("virt_type", deprecated_name="libvirt_type", deprecated_group="DEFAULT"),
    cfg.StrOpt("socket"),
], group="libvirt")
try:
    conf(args=[], default_config_files=sys.argv[1:], default_config_dirs=[])
    read = {
        "libvirt.connection_uri": conf.libvirt.connection_uri,
        "libvirt.virt_type": conf.libvirt.virt_type,
        "DEFAULT.compute_driver": conf.compute_driver,
        "DEFAULT.state_path": conf.state_path,
    }
except cfg.ConfigFileParseError as e:
    read = {"error": re.search(r"at .*?([^/]+:\d+), ", str(e))[1]}
json.dump({name: value for name, value in read.items() if value is not None}, sys.stdout)
