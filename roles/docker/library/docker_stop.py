#!/usr/bin/python
"""Stop Docker and keep it from starting at boot, unless somebody uses it right now.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: docker_stop
short_description: Stop and disable Docker where nothing uses it
description:
  - Looks which containers run in Docker, which units need it and which programs are connected to it. When there are
    none, its socket and its service are stopped and disabled; packages and data stay.
  - Otherwise, and where that cannot be known, Docker is left as it is, and it is told who uses it. That is no failure.
options: {}
author: [the migrator project]
"""

EXAMPLES = r"""
- name: Stop Docker where nothing uses it
  docker_stop:
"""

RETURN = r"""
kept:
  description: Why Docker was left as it is; empty when it was stopped.
  returned: always
  type: list
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_docker_users import command_lines, units, uses
from ansible.module_utils.migrator_node import NodeError, run, unit_active


def standing(unit):
    """Tell whether a unit neither runs nor starts at boot."""
    enabled = run(["systemctl", "is-enabled", unit], check=False)[1].strip()
    return enabled not in ("enabled", "enabled-runtime") and not unit_active(unit)


def unmanaged():
    """Say that Docker runs without a unit that could be stopped; [] when it does not."""
    running = any(os.path.basename(words[0]) == "dockerd" for words in command_lines())
    return ["it runs, and systemd has no unit docker.service"] if running else []


def stop(names):
    """Stop these units and have them stay so. Raises NodeError for one that does not."""
    for unit in names:
        run(["systemctl", "disable", "--now", "--quiet", unit], timeout=300)
    active = [unit for unit in names if unit_active(unit)]
    if active:
        raise NodeError("it was stopped, and somebody has started it again: {}".format(", ".join(active)))


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        known = units()
        names = [unit for unit in known if not standing(unit)]
        kept = uses() if names else [] if known else unmanaged()
        if names and not kept and not module.check_mode:
            stop(names)
    except (NodeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(names) and not kept, kept=kept)


if __name__ == "__main__":
    main()
