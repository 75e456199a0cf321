"""What is made before a switch begins, or goes back, so that nothing is begun that cannot be undone.

Runs on the node: Python 3.6 or later, standard library only.
"""

import errno
import json
import os
import shutil

from ansible.module_utils import migrator_service, migrator_switch
from ansible.module_utils.migrator_files import BESIDE, SPARE, TRIAL, Files, Journal
from ansible.module_utils.migrator_node import (
    NodeError,
    read_bytes,
    remove_file,
    sha256,
    sockets_of_docker,
    unit_active,
    write_file,
)
from ansible.module_utils.migrator_units import arguments, enabled, main_process

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a file system without room says."""


def ask(folder, request, about):
    """Make all that a switch and its way back need, then write down that it begins: the first line of its journal.

    Raise NodeError, with nothing left behind, when something of that cannot be.
    """
    journal, journals = Journal(folder), os.path.dirname(folder)
    made, installed = [], False
    try:
        files = Files(journal, request["files"])
        refuse(opened(journals) + files.obstacles() + migrator_service.obstacles())
        journal.create()
        made.append(folder)
        # What is there now may be what the plan wants already: somebody else has written the same. Owners are known by
        # their numbers from now on: a name may go before the way back.
        known = [
            dict(
                entry,
                found=sha256(read_bytes(entry["path"])),
                owner=str(entry["uid"]),
                group=str(entry["gid"]),
                data="",
            )
            for entry in files.wanted
        ]
        write_file(
            os.path.join(folder, migrator_switch.REQUEST), json.dumps(dict(request, files=known)).encode(), 0o600
        )
        reserves = set_space_aside(journal, files)
        made += reserves
        installed = True
        migrator_service.install(folder)
        sockets = sockets_of_docker()
        # One that is not well before, or answers elsewhere, is not waited for afterwards.
        journal.write(
            "begin",
            boot=migrator_switch.boot(),
            number=following(journals),
            enabled=[unit for unit in sockets + list(migrator_switch.DOCKER) if enabled(unit)],
            active=[unit for unit in sockets if unit_active(unit)],
            healthy=migrator_switch.healthy(),
            arguments=arguments(main_process(migrator_service.KUBELET)) or [],
            reserves=reserves,
            about=about,
        )
    except (NodeError, OSError) as error:
        if installed:
            migrator_service.remove(folder)
        journal.use_space(made[1:])
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise NodeError("nothing was changed: {}".format(error))


def refuse(obstacles):
    """Raise NodeError when there are any."""
    if obstacles:
        raise NodeError("; ".join(dict.fromkeys(obstacles)))


def set_space_aside(journal, files):
    """Take what going back needs on each file system; give the paths besides the journal's own.

    Raise OSError when there is not the room for that, and for going forth.
    """
    needs, here = files.needs(), os.stat(journal.folder).st_dev
    others = {os.path.join(folder, BESIDE): back for device, (folder, back, _) in needs.items() if device != here}
    journal.set_space_aside(others)
    lacking = [folder for folder, _, forth in needs.values() if not fits(folder, forth)]
    if lacking:
        journal.use_space([journal.reserve] + sorted(others))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), lacking[0])
    return sorted(others)


def fits(folder, size):
    """Tell whether so many bytes can be written to a folder's file system.

    It is tried: what ext4 keeps for itself is in what it says is free.
    """
    path = os.path.join(folder, TRIAL)
    try:
        try:
            with open(path, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        finally:
            remove_file(path)
    except OSError as error:
        return error.errno not in FULL
    return True


def opened(journals):
    """Say which other switches of this node are not over: what they saved would be mixed with what this one saves."""
    found = []
    for name, entries in read(journals):
        if entries is None or (entries and entries[-1]["action"] not in migrator_switch.ENDS[:2]):
            found.append("the switch {} is not over".format(name))
    return found


def following(journals):
    """Give the number of a new switch: the order of switches is the node's own, whatever clocks say."""
    return max([0] + [entries[0].get("number", 0) for _, entries in read(journals) if entries]) + 1


def read(journals):
    """Give the name and the lines of each journal in a folder; None for one that is damaged."""
    for name in sorted(os.listdir(journals)) if os.path.isdir(journals) else []:
        try:
            yield name, Journal(os.path.join(journals, name)).entries()
        except (NodeError, OSError):
            yield name, None


def prepare_back(journal):
    """Have all that going back needs; give what is less than it should be. Raise NodeError when it lacks room.

    What was set aside when the switch began is used where the disk got full since. Where systemd's folder cannot be
    written, the unit is one that the next boot forgets.
    """
    if not os.path.exists(journal.reserve):
        try:
            journal.set_space_aside()
        except OSError as error:
            lacking = cramped(journal)
            if lacking:
                raise NodeError("nothing was changed: {}: {}".format(lacking, error.strerror))
    try:
        with_space(journal, lambda: migrator_service.install(journal.folder))
    except OSError as error:
        migrator_service.install_until_boot(journal.folder)
        return [
            "{}: {}: systemd does the way back all the same, and again when it is killed, but not after a reboot: then "
            "ask for it again".format(migrator_service.UNITS, error.strerror)
        ]
    return []


def with_space(journal, action):
    """Do it; where there is no room for it, with what was set aside."""
    try:
        action()
    except OSError as error:
        if error.errno not in FULL:
            raise
        journal.use_space()
        action()


def cramped(journal):
    """Name a folder whose file system has not the room for what is put back; "" when all have."""
    saved = [entry for entry in journal.entries() if entry["action"] == "saved" and entry["exists"]]
    needs = {}
    for entry in saved + [{"copy": "", "path": journal.path}]:
        folder = os.path.dirname(entry["path"])
        if os.path.isdir(folder):
            _, size = needs.get(os.stat(folder).st_dev, (folder, SPARE))
            more = os.path.getsize(entry["copy"]) if os.path.exists(entry["copy"]) else 0
            needs[os.stat(folder).st_dev] = (folder, size + more)
    return next((folder for folder, size in needs.values() if not fits(folder, size)), "")
