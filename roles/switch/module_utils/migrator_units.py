"""Services of systemd: how they are started so that they really run what they shall, and what shows it.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import time

from ansible.module_utils.migrator_node import NodeError, read_bytes, run

COMMAND_SECONDS = 20
"""For a new process to be the program that it shall be: systemd calls a service started before it has become that."""


def enabled(unit):
    """Tell whether systemd starts a unit at boot."""
    return run(["systemctl", "is-enabled", "--quiet", unit], check=False)[0] == 0


def main_process(unit):
    """Give the process id of a service, "0" when there is none."""
    shown = run(["systemctl", "show", "--property=MainPID", unit], check=False)[1]
    return shown.strip().partition("=")[2] or "0"


def arguments(process):
    """Give the command line of a process without its program; None when it does not run."""
    try:
        data = read_bytes("/proc/{}/cmdline".format(process))
    except OSError:
        return None
    return [os.fsdecode(word) for word in data[:-1].split(b"\0")[1:]] if data else None


def restart(unit, timeout):
    """Start a service anew: a start does nothing to one that somebody else has started meanwhile, with other files.

    Raise NodeError when its process is the one of before.
    """
    before = main_process(unit)
    run(["systemctl", "restart", unit], timeout=timeout)
    if before != "0" and main_process(unit) == before:
        raise NodeError("{} was not restarted: its process {} is the one of before".format(unit, before))


def await_arguments(unit, wanted):
    """Give the command line that a service runs with, as soon as it is the wanted one; None when it does not run."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while True:
        found = arguments(main_process(unit))
        if found == list(wanted) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def difference(found, wanted):
    """Say in which flags two command lines differ, without values: there may be secrets in them."""
    if found is None:
        return "it does not run"
    other = [word for word in found if word not in wanted] + [word for word in wanted if word not in found]
    names = [word.partition("=")[0] if word.startswith("-") else "a value" for word in other]
    return ", ".join(dict.fromkeys(names)) or "the order of its flags"
