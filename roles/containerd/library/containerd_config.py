#!/usr/bin/python
"""Have containerd read a configuration that it does not use yet. Nothing is changed.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: containerd_config
short_description: See whether the node's containerd accepts a configuration
description:
  - Gives the configuration to C(containerd config dump), which fails with the line that it does not understand. It
    never lies on the node's disk meanwhile, because it may hold credentials of registries.
options:
  text:
    description: The whole configuration, in base64.
    type: str
    required: true
author: [the migrator project]
"""
EXAMPLES = r"""
- name: Have containerd read the configuration
  containerd_config:
    text: "{{ 'version = 2' | b64encode }}"
"""

import base64

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import NodeError, run


def read(text):
    """Have containerd read it. Raise NodeError with what it does not understand."""
    run(["containerd", "--config", "/dev/stdin", "config", "dump"], data=text)


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        # Ansible writes what it calls a module with into the node's journal.
        argument_spec={"text": {"type": "str", "required": True, "no_log": True}},
        supports_check_mode=True,
    )
    try:
        read(base64.b64decode(module.params["text"]).decode())
    except NodeError as error:
        module.fail_json(msg="containerd does not take its new configuration: {}".format(error))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
