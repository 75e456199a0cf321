"""Files that are replaced so that they can be put back: each is saved first, in a journal on the node's disk.

Runs on the node: Python 3.6 or later, standard library only.
"""

import base64
import grp
import json
import os
import pwd
import time

from ansible.module_utils.migrator_node import (
    NodeError,
    forget_unfinished,
    read_bytes,
    sha256,
    sync_folder,
    write_file,
)

RESERVE = 4 * 2**20
"""Bytes; configuration files are smaller, and a journal is some kilobytes."""


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

    def set_space_aside(self):
        """Take the space that putting everything back needs, while there is some. Raise OSError when there is none."""
        self.create()
        with open(self.reserve, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE)

    def use_space(self):
        """Give it free."""
        if os.path.exists(self.reserve):
            os.unlink(self.reserve)

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


class Files:
    """The files of a plan. A path that is a link stands for what it points to: the link itself stays."""

    def __init__(self, journal, wanted):
        """Take them as the module is told them. Raise NodeError for an owner whom the node does not know."""
        self.journal = journal
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

    def write(self):
        """Save what is there, then write the plan's bytes."""
        for number, entry in enumerate(self.wanted):
            path = os.path.realpath(entry["path"])
            self._make_folder(os.path.dirname(path))
            self._save(number, path)
            write_file(path, entry["data"], int(entry["mode"], 8), entry["uid"], entry["gid"])

    def restore(self):
        """Put every saved file back, the last one first, and remove the folders that were made.

        Raise NodeError when a file is not what it was before all the same.
        """
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "saved"]):
            self._keep_later(entry)
            if entry["exists"]:
                write_file(entry["path"], read_bytes(entry["copy"]), entry["mode"], entry["uid"], entry["gid"])
            elif os.path.exists(entry["path"]):
                os.unlink(entry["path"])
                sync_folder(os.path.dirname(entry["path"]))
        for entry in self.wanted:
            forget_unfinished(os.path.realpath(entry["path"]))
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "made folder"]):
            if os.path.isdir(entry["path"]) and not os.listdir(entry["path"]):
                os.rmdir(entry["path"])
        other = [
            entry["path"]
            for entry in self.wanted
            if sha256(read_bytes(entry["path"])) != entry.get("found", entry["replaces"])
        ]
        if other:
            raise NodeError("not what they were before: {}".format(", ".join(other)))

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
        os.mkdir(folder, 0o755)
        sync_folder(os.path.dirname(folder))

    def _save(self, number, path):
        """Keep a file, or that there was none, before it is replaced."""
        data = read_bytes(path)
        if data is None:
            self.journal.write("saved", path=path, exists=False)
            return
        status = os.stat(path)
        self.journal.create()
        copy = os.path.join(self.journal.folder, "file-{}".format(number))
        write_file(copy, data, 0o600)
        self.journal.write(
            "saved",
            path=path,
            exists=True,
            copy=copy,
            mode=status.st_mode & 0o7777,
            uid=status.st_uid,
            gid=status.st_gid,
        )


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
