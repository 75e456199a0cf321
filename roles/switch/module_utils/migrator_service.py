"""A program of ours that systemd runs, and runs again when it was killed or the node rebooted, until it is through.

The program is these modules themselves, written to the node's disk: it depends on no connection and no package. Its
unit is there only while a switch is under way. It comes before the kubelet, and with it comes a drop-in of the
kubelet's: nobody starts that while there is a mark, so that none runs on a node that is neither old nor new.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import socket
import sys
import time

from ansible.module_utils.migrator_inode import folder_obstacle
from ansible.module_utils.migrator_node import (
    BusyError,
    NodeError,
    read_bytes,
    remove_file,
    run,
    sync_folder,
    write_file,
)

NAME = "migrator-switch.service"
UNITS = "/etc/systemd/system"
UNITS_UNTIL_BOOT = "/run/systemd/system"
"""Where systemd reads units too, which the next boot forgets."""
WANTED_BY = "multi-user.target.wants"
KUBELET = "kubelet.service"
HOLD = KUBELET + ".d/zz-migrator-switch.conf"
# A mask below /run has no effect on a unit that lies in /etc, and a mask of the user's would be taken for ours. The
# mark outlives a reboot. It is read last, since an empty condition in another drop-in would take it away.
HOLDS = """# While migrator switches this node's container runtime, nobody starts the kubelet. Gone when that is over.
[Unit]
ConditionPathExists=!{mark}
"""
# The words are those that systemd knows from 219 (RHEL 7) on; there `infinity` would be no time at all.
# Only ordering, no dependency: a kubelet without this unit must start as ever. Ready is said before the kubelet is
# started, because systemd has it wait until then.
UNIT = """[Unit]
Description=Switch of this node's container runtime by migrator (docs/runbook.md); undone if it was cut short
After=containerd.service docker.service
Before=kubelet.service

[Service]
Type=notify
StartLimitInterval=0
ExecStartPre=-/bin/sh -c 'test ! -e {again} || cp {again} {mark}'
ExecStart={python} -B {program} {folder}
Restart=on-failure
RestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE
RestartSec=2
TimeoutStartSec=0
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
"""
MODULES = ("cni", "files", "inode", "node", "removal", "service", "switch", "units")
PACKAGE = "ansible.module_utils"
MAIN = "from {}.migrator_switch import main\n\nmain()\n".format(PACKAGE)
WAIT_SECONDS = 1080
"""The longest time for which the module waits for anything: less than what the control host gives its playbook."""
GONE_SECONDS = 15
STUCK_SECONDS = 60


def obstacles():
    """Say what keeps the unit from being written and removed again; a list, empty for nothing."""
    folders = (UNITS, os.path.join(UNITS, WANTED_BY), os.path.join(UNITS, os.path.dirname(HOLD)))
    return sorted({why for why in map(folder_obstacle, folders) if why})


def install(folder):
    """Write the program into a folder, and its unit, to be run at each boot; start nothing."""
    install_program(folder)
    install_unit(folder, UNITS)
    wanted = os.path.join(UNITS, WANTED_BY)
    os.makedirs(wanted, exist_ok=True)
    if not os.path.islink(os.path.join(wanted, NAME)):
        os.symlink(os.path.join(UNITS, NAME), os.path.join(wanted, NAME))
        sync_folder(wanted)
    run(["systemctl", "daemon-reload"])


def install_until_boot(folder):
    """Likewise where the usual folder cannot be written: systemd runs it all the same, but not after a reboot."""
    install_program(folder)
    install_unit(folder, UNITS_UNTIL_BOOT)
    run(["systemctl", "daemon-reload"])


def install_program(folder):
    """Write these modules into a folder, as a program."""
    program = os.path.join(folder, "program")
    package = os.path.join(program, *PACKAGE.split("."))
    for path in (os.path.dirname(package), package):
        write_file(os.path.join(path, "__init__.py"), b"", 0o600)
    for name in ("{}.migrator_{}".format(PACKAGE, name) for name in MODULES):
        source = sys.modules[name].__loader__.get_source(name)
        write_file(os.path.join(package, name.rpartition(".")[2] + ".py"), source.encode(), 0o600)
    write_file(os.path.join(program, "__main__.py"), MAIN.encode(), 0o600)


def install_unit(folder, units):
    """Write the unit, and what holds the kubelet while there is a mark."""
    mark, again, program = mark_of(folder), again_of(folder), os.path.join(folder, "program")
    unit = UNIT.format(python=sys.executable, program=program, folder=folder, mark=mark, again=again)
    write_file(os.path.join(units, NAME), unit.encode(), 0o644)
    write_file(os.path.join(units, HOLD), HOLDS.format(mark=mark).encode(), 0o644)


def start():
    """Have systemd run it."""
    run(["systemctl", "start", "--no-block", NAME])


def remove(folder):
    """Remove the unit of the switch in this folder, and what holds the kubelet; what is left of the process goes on.

    What cannot be removed does nothing without its mark; the next boot tries again.
    """
    for units in (UNITS, UNITS_UNTIL_BOOT):
        unit = read_bytes(os.path.join(units, NAME))
        if unit is not None and folder.encode() not in unit:
            continue  # another switch's, which is not over
        for name in (os.path.join(WANTED_BY, NAME), NAME, HOLD):
            try:
                remove_file(os.path.join(units, name))
            except OSError:
                continue
        try:
            os.rmdir(os.path.join(units, os.path.dirname(HOLD)))
        except OSError:
            continue  # others have drop-ins too
    run(["systemctl", "daemon-reload"], check=False)


def mark_of(folder):
    """Give the path of the mark that keeps the kubelet down."""
    return os.path.join(folder, "kubelet-held")


def again_of(folder):
    """Give the path of what the mark is made of again when the program is run once more in the middle of a switch."""
    return os.path.join(folder, "kubelet-to-hold")


def hold(folder):
    """Keep everybody from starting the kubelet until `release`, after a reboot too. Raise NodeError when nothing does.

    It goes on where it runs.
    """
    write_file(again_of(folder), b"", 0o600)
    write_file(mark_of(folder), b"", 0o600)
    if not held():
        run(["systemctl", "daemon-reload"])
    if not held():
        raise NodeError("systemd does not read {}, so anybody could start the kubelet meanwhile".format(HOLD))


def held():
    """Tell whether systemd has read what holds the kubelet."""
    shown = run(["systemctl", "show", "--property=DropInPaths", KUBELET], check=False)[1]
    return any(word.endswith("/" + HOLD) for word in shown.strip().partition("=")[2].split())


def release(folder):
    """Let the kubelet be started now."""
    remove_file(mark_of(folder))


def end_hold(folder):
    """Let the kubelet be started from now on."""
    remove_file(again_of(folder))
    release(folder)


def ready():
    """Tell systemd that what has to wait for us may start; not when systemd does not run us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)


def asked(*names):
    """Read properties of the unit; None when systemd does not say."""
    words = ["systemctl", "show"] + ["--property=" + name for name in names] + [NAME]
    code, out, _ = run(words, check=False)
    return dict(line.partition("=")[::2] for line in out.splitlines()) if code == 0 else None


def runs():
    """Tell whether it is at work, or will be: at boot it may wait for others. Silence is no proof of rest."""
    found = asked("ActiveState", "Job")
    if found is None:
        return True
    return found.get("ActiveState") not in ("inactive", "failed") or found.get("Job", "0") not in ("", "0")


def fails_to_run():
    """Tell whether systemd is about to start it once more, because it ended without having said that it is through."""
    return (asked("SubState") or {}).get("SubState") == "auto-restart"


def await_end(last, ends, seconds=WAIT_SECONDS):
    """Return when the last line of its journal is one of `ends` and the unit at rest.

    Raise BusyError when that takes longer, NodeError when somebody stopped it, or it ends again and again without
    getting on.
    """
    deadline = time.monotonic() + seconds
    gone = stuck = None
    line = last()
    while True:
        if last() != line:
            line, stuck = last(), None
        if not runs():
            if line["action"] in ends:
                return
            gone = gone or time.monotonic()
            if time.monotonic() - gone > GONE_SECONDS:
                raise NodeError("{} was stopped in its middle; it goes back at the next boot".format(NAME))
        else:
            gone = None
            if fails_to_run():
                stuck = stuck or time.monotonic()
                if time.monotonic() - stuck > STUCK_SECONDS:
                    raise NodeError("{0} ends before it has done anything (journalctl -u {0})".format(NAME))
        if time.monotonic() > deadline:
            raise BusyError("{0} is under way, for more than {1:.0f} s (journalctl -u {0})".format(NAME, seconds))
        time.sleep(0.3)
