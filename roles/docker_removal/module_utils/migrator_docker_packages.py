"""What keeps packages from being removed, and the turn that programs before dpkg take.

Runs on the node: Python 3.6 or later, standard library only.
"""

import contextlib
import fcntl
import os
import time

from ansible.module_utils.migrator_docker_files import MOST, around, fixed
from ansible.module_utils.migrator_node import NodeError, run

LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
"""The first one for whoever starts dpkg, the second one dpkg's own (dpkg 1.19.1, doc/frontend.txt)."""
UPDATES = "/var/lib/dpkg/updates"
"""What dpkg has begun and not ended, in numbered files."""
LOCK_SECONDS = 300.0
OURS = {"DEBIAN_FRONTEND": "noninteractive", "DPKG_FRONTEND_LOCKED": "true"}


def interrupted():
    """Tell whether dpkg is at work, or was cut short."""
    try:
        return any(name.isdigit() for name in os.listdir(UPDATES))
    except OSError:
        return False


def protected(names, debian):
    """Give files of these packages that cannot be removed: the package manager would stop in its middle."""
    argv = ["dpkg-query", "-L"] if debian else ["rpm", "-ql"]
    paths = run(argv + sorted(names), check=False)[1].splitlines() if names else []
    found, folders = [], {}
    for path in paths:
        if not path.startswith("/") or os.path.isdir(path):
            continue
        try:
            why = fixed(path, os.lstat(path), set())
        except OSError:
            continue
        folder = os.path.dirname(path)
        if folder not in folders:
            folders[folder] = ["{} ({})".format(place, reason) for place, reason in around(path)]
        found += folders[folder] + (["{} ({})".format(path, why)] if why else [])
    return sorted(set(found))[:MOST]


@contextlib.contextmanager
def turn(clock=time.monotonic, sleep=time.sleep):
    """Keep other programs from using dpkg meanwhile. Raises NodeError when one of them does for too long."""
    descriptors = []
    try:
        descriptors = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640) for path in LOCKS]
        deadline = clock() + LOCK_SECONDS
        while not all(map(_locked, descriptors)):
            if clock() >= deadline:
                raise NodeError("another program has had dpkg locked for {:.0f} s".format(LOCK_SECONDS))
            sleep(1)
        os.close(descriptors.pop())  # dpkg wants that one itself
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _locked(descriptor):
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
