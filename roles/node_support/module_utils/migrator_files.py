"""Files that are replaced so that they can be put back: each is saved first, in a journal on the node's disk.

Runs on the node: Python 3.6 or later, standard library only.
"""

import base64
import grp
import json
import os
import pwd
import time

from ansible.module_utils.migrator_node import NodeError, read_bytes, sha256, sync_folder, write_file


class Journal:
    """What was done, a JSON line each, on disk before the action happens."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "journal.jsonl")

    def write(self, action, **details):
        """Add a line and make it durable."""
        self.create()
        with open(self.path, "a") as file:
            file.write(json.dumps(dict(details, action=action, at=time.time())) + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)

    def create(self):
        """Make the folder, for root alone: what is saved in it may hold secrets."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    def entries(self):
        """Read it back; a last line that a power cut left incomplete did not happen."""
        lines = (read_bytes(self.path) or b"").decode().splitlines()
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found


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
        """Put every saved file back, the last one first, and remove the folders that were made."""
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "saved"]):
            if entry["exists"]:
                write_file(entry["path"], read_bytes(entry["copy"]), entry["mode"], entry["uid"], entry["gid"])
            elif os.path.exists(entry["path"]):
                os.unlink(entry["path"])
                sync_folder(os.path.dirname(entry["path"]))
        for entry in reversed([entry for entry in self.journal.entries() if entry["action"] == "made folder"]):
            if os.path.isdir(entry["path"]) and not os.listdir(entry["path"]):
                os.rmdir(entry["path"])

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
