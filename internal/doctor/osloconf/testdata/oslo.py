"""What oslo.config makes of files.

Reads {"files": [PATH], "env": {NAME: VALUE}} as JSON from each line of stdin and
writes a line with {GROUP.OPTION: VALUE}.
"""

import json
import os
import re
import sys

from oslo_config import cfg


def read(files):
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("my_ip"), cfg.StrOpt("state_path"), cfg.StrOpt("compute_driver"), cfg.StrOpt("loop")])
    conf.register_opts([
        cfg.StrOpt("connection_uri", deprecated_name="libvirt_uri", deprecated_group="DEFAULT"),
        cfg.StrOpt("virt_type", deprecated_name="libvirt_type", deprecated_group="DEFAULT"),
        cfg.StrOpt("socket"),
    ], group="libvirt")
    try:
        conf(args=[], default_config_files=files, default_config_dirs=[])
        return {
            "libvirt.connection_uri": conf.libvirt.connection_uri,
            "libvirt.virt_type": conf.libvirt.virt_type,
            "DEFAULT.compute_driver": conf.compute_driver,
            "DEFAULT.state_path": conf.state_path,
        }
    except cfg.ConfigFileParseError as e:
        return {"error": re.search(r"at .*?([^/]+:\d+), ", str(e))[1]}


before = dict(os.environ)
for line in sys.stdin:
    case = json.loads(line)
    os.environ.clear()
    os.environ.update(before, **case["env"])
    print(json.dumps({name: value for name, value in read(case["files"]).items() if value is not None}), flush=True)
