"""Files that are replaced so that they can be put back: each is saved first, in a journal on the node's disk.

Runs on the node: Python 3.6 or later, standard library only.
"""

import base64
import grp
import json
import os
import pwd
import time

from ansible.module_utils.migrator_inode import existing, mount_points, obstacle
from ansible.module_utils.migrator_node import (
    NodeError,
    attributes_of,
    forget_unfinished,
    read_bytes,
    remove_file,
    run,
    sha256,
    sync_folder,
    write_file,
)

RESERVE = 4 * 2**20
"""Bytes; configuration files are smaller, and a journal is some kilobytes."""
BESIDE = ".migrator-switch.reserve"
"""What is set aside on another file system than the journal's."""
TRIAL = ".migrator-switch.trial"
SPARE = 256 * 2**10
"""Bytes besides the files' own, on each file system: blocks of folders, and those of small files."""
SELINUX = "/sys/fs/selinux/enforce"


class Journal:
    """What was done, a JSON line each, on disk before the action happens."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "journal.jsonl")
        self.reserve = os.path.join(folder, "reserve")

    def write(self, action, **details):
        """Add a line and make it durable. A line that a power cut left incomplete goes first."""
        self.create()
        line = json.dumps(dict(details, action=action, at=time.time())) + "\n"
        with open(self.path, "ab") as file:
            file.truncate(len(self._whole()))
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)

    def create(self):
        """Make the folder, for root alone: what is saved in it may hold secrets."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    def set_space_aside(self, others=None):
        """Take the space that putting everything back needs, while there is some. Raise OSError when there is none.

        `others` are the bytes needed on other file systems, by the path of what is set aside there.
        """
        self.create()
        for path, size in [(self.reserve, RESERVE)] + sorted((others or {}).items()):
            try:
                with open(path, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                self.use_space([self.reserve] + list(others or ()))
                raise OSError(error.errno, error.strerror, os.path.dirname(path))

    def reserves(self):
        """Give the paths of all that a switch which has begun has set aside."""
        begun = [entry for entry in self.entries() if entry["action"] == "begin"]
        return [self.reserve] + [path for entry in begun[:1] for path in entry.get("reserves", [])]

    def use_space(self, paths=None):
        """Give it free, or only these. A file system that cannot be written to keeps its part."""
        for path in self.reserves() if paths is None else paths:
            try:
                remove_file(path)
            except OSError:
                continue

    def entries(self):
        """Read it back; a last line that a power cut left incomplete did not happen.

        Raise NodeError when another one cannot be read: what it said to put back would be forgotten.
        """
        found = []
        for number, line in enumerate(self._whole().decode(errors="replace").splitlines(), 1):
            try:
                entry = json.loads(line)
                entry["action"]
            except (ValueError, TypeError, KeyError):
                raise NodeError("line {} of the journal {} is damaged".format(number, self.path))
            found.append(entry)
        return found

    def _whole(self):
        """Give its complete lines."""
        data = read_bytes(self.path) or b""
        return data[: data.rfind(b"\n") + 1]


def free_space(journals):
    """Give free what is kept for the way back of all switches in a folder that are over: there is no way back now."""
    for name in sorted(os.listdir(journals)) if os.path.isdir(journals) else []:
        journal = Journal(os.path.join(journals, name))
        try:
            entries = journal.entries()
        except (NodeError, OSError):
            continue  # whatever it is, somebody still has to look at it
        if entries and entries[-1]["action"] in ("done", "undone"):
            journal.use_space()


class Files:
    """The files of a plan. A path that is a link stands for what it points to: the link itself stays."""

    def __init__(self, journal, wanted):
        """Take them as the module is told them. Raise NodeError for an owner whom the node does not know."""
        self.journal = journal
        self.problems = []
        """What is not as it was, or as it should be, and keeps nothing from running."""
        self.wanted = [
            dict(
                entry,
                data=data_of(entry),
                uid=number_of(entry["owner"], lambda name: pwd.getpwnam(name).pw_uid, "user"),
                gid=number_of(entry["group"], lambda name: grp.getgrnam(name).gr_gid, "group"),
            )
            for entry in wanted
        ]

    def stale(self):
        """Name the files that are neither what the plan replaces nor already what it writes."""
        return [
            entry["path"]
            for entry in self.wanted
            if sha256(entry["data"]) != entry["sha256"]
            or sha256(read_bytes(entry["path"])) not in (entry["replaces"], entry["sha256"])
        ]

    def written(self):
        """Tell whether all are as they shall be."""
        return all(read_bytes(entry["path"]) == entry["data"] for entry in self.wanted)

    def were_planned(self):
        """Tell whether one was what the plan writes before the switch began: somebody else had written the same."""
        return any(entry.get("found") == entry["sha256"] for entry in self.wanted)

    def obstacles(self):
        """Say what keeps files from being written and put back. Each folder is tried; nothing of that is kept."""
        mounts, found, sizes = mount_points(), [], {}
        for entry in self.wanted:
            path = os.path.realpath(entry["path"])
            why = obstacle(path, mounts)
            if why:
                found.append(why)
                continue
            folder = existing(os.path.dirname(path))
            sizes[folder] = sizes.get(folder, 0) + len(entry["data"] or b"")
        return found + [why for why in (tried(folder, size) for folder, size in sorted(sizes.items())) if why]

    def needs(self):
        """Give the bytes that going forth and back takes on each file system, by a folder on it."""
        found = {}
        for entry in self.wanted:
            path = os.path.realpath(entry["path"])
            folder = existing(os.path.dirname(path))
            device = os.stat(folder).st_dev
            old, new = len(read_bytes(path) or b""), len(entry["data"] or b"")
            first, back, forth = found.get(device, (folder, SPARE, SPARE))
            found[device] = (first, back + old, forth + new)
        return found

    def write(self):
        """Save what is there, then write the plan's bytes."""
        for number, entry in enumerate(self.wanted):
            path = os.path.realpath(entry["path"])
            self._make_folder(os.path.dirname(path))
            new = not self._save(number, path)
            self._replace(path, entry["data"], int(entry["mode"], 8), entry["uid"], entry["gid"])
            if new:
                self._label(path)

    def restore(self):
        """Put every saved file back, the last one first, and remove the folders that were made.

        Raise NodeError when a file is not what it was before all the same.
        """
        saved = [entry for entry in self.journal.entries() if entry["action"] == "saved"]
        for entry in reversed(saved):
            self._keep_later(entry)
            if entry["exists"]:
                self._put_back(entry)
            else:
                remove_file(entry["path"])
        for entry in self.wanted:
            forget_unfinished(os.path.realpath(entry["path"]))
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "made folder"]):
            try:
                os.rmdir(entry["path"])
            except OSError:
                continue  # somebody else has put something there, or has removed it
        was = {entry["path"]: sha256(read_bytes(entry["copy"])) if entry["exists"] else "" for entry in saved}
        other = [
            entry["path"]
            for entry in self.wanted
            if sha256(read_bytes(entry["path"]))
            != was.get(os.path.realpath(entry["path"]), entry.get("found", entry["replaces"]))
        ]
        if other:
            raise NodeError("not what they were before: {}".format(", ".join(other)))

    def _put_back(self, saved):
        """Make a file what it was; one that is so already is left alone, wherever it lies."""
        path, data, kept = saved["path"], read_bytes(saved["copy"]), saved.get("attributes")
        wanted = (saved["mode"], saved["uid"], saved["gid"])
        if data is None:
            raise NodeError("the saved file {} is gone".format(saved["copy"]))
        if read_bytes(path) == data and ownership(path) == wanted and kept in (None, attributes_of(path)):
            return
        self._replace(path, data, saved["mode"], saved["uid"], saved["gid"], kept)

    def _replace(self, path, data, mode, uid, gid, kept=None):
        """Write a file with its present extended attributes, or those; what it cannot have of them is told."""
        lost = write_file(path, data, mode, uid, gid, kept)
        if lost:
            self.problems.append("{} cannot have {} any more".format(path, ", ".join(lost)))

    def _label(self, path):
        """Give what is new the label that SELinux has for its place."""
        if not os.path.exists(SELINUX):
            return
        code, out, err = run(["restorecon", path], check=False)
        if code != 0:
            self.problems.append("{} may lack its SELinux label: {}".format(path, (err or out).strip()[-200:]))

    def _keep_later(self, saved):
        """Keep what somebody else has written there since: it is replaced by what was before the switch."""
        path, data = saved["path"], read_bytes(saved["path"])
        planned = [entry["sha256"] for entry in self.wanted if os.path.realpath(entry["path"]) == path]
        if data is None or sha256(data) in planned or (saved["exists"] and data == read_bytes(saved["copy"])):
            return
        copy = os.path.join(self.journal.folder, "later-{}-{}".format(sha256(data)[:12], os.path.basename(path)))
        write_file(copy, data, 0o600)
        self.journal.write("kept", path=path, copy=copy)

    def _make_folder(self, folder):
        """Make a file's folder, and note each one made so that undoing removes it again."""
        if os.path.isdir(folder):
            return
        self._make_folder(os.path.dirname(folder))
        self.journal.write("made folder", path=folder)
        try:
            os.mkdir(folder, 0o755)
        except FileExistsError:
            return  # somebody was faster
        sync_folder(os.path.dirname(folder))
        self._label(folder)

    def _save(self, number, path):
        """Keep a file, or that there was none, before it is replaced; tell whether there was one."""
        data, owned, kept = read_bytes(path), ownership(path), attributes_of(path)
        if data is None or owned is None:  # it may go between one look and the next
            self.journal.write("saved", path=path, exists=False)
            return False
        self.journal.create()
        copy = os.path.join(self.journal.folder, "file-{}".format(number))
        write_file(copy, data, 0o600)
        self.journal.write(
            "saved",
            path=path,
            exists=True,
            copy=copy,
            mode=owned[0],
            uid=owned[1],
            gid=owned[2],
            attributes=kept,
        )
        return True


def tried(folder, size):
    """Write so many bytes to a folder, and remove them again; say what is against it, "" for nothing."""
    path = os.path.join(folder, TRIAL)
    try:
        try:
            write_file(path, b"\0" * size, 0o600)
        finally:
            remove_file(path)
    except OSError as error:
        return "{}: {}".format(folder, error.strerror)
    return ""


def ownership(path):
    """Give mode, user and group of a file; None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mode & 0o7777, status.st_uid, status.st_gid


def data_of(entry):
    """Give the bytes that a file shall have: the plan's, or those of the file on this node that it copies."""
    if entry.get("copies"):
        return read_bytes(entry["copies"])
    # In base64, so that nothing on the way takes a file's text for a template.
    return base64.b64decode(entry["content"])


def number_of(name, look_up, kind):
    """Give the number of a user or group; one that has no name any more is called by its number."""
    try:
        return look_up(name)
    except KeyError:
        if name.isdigit():
            return int(name)
    raise NodeError("this node has no {} {}".format(kind, name))
