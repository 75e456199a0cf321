"""What images are called, and how the ones that Docker has are pulled from their registries once more.

Runs on the node: Python 3.6 or later, standard library only.
"""

import base64
import fcntl
import os
import re
import shutil
import tempfile
import urllib.parse
from contextlib import ExitStack

from ansible.module_utils.migrator_node import docker, run

PULL_SECONDS = 1800
AWAY = ("dial tcp", "i/o timeout", "connection refused", "no such host", "proxyconnect")
"""Signs of a registry that would be waited for anew with each of its images (errors of Go's net package)."""

RUN = "/run"
"""Where places are made."""
OURS = re.compile(r"migrator-(?:carry|pull)-")


class Place:
    """A folder of our own below /run that ends with the `with` block.

    Where we are killed it stays, and whoever comes next removes it: it is locked for as long as we live.
    """

    def __init__(self, what):
        self.prefix = "migrator-{}-".format(what)

    def __enter__(self):
        self.lock = None
        while self.lock is None:  # somebody who sweeps may be quicker
            self.path = tempfile.mkdtemp(prefix=self.prefix, dir=RUN)
            self.lock = _locked(self.path)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def sweep():
    """Remove the places of those that were killed."""
    for name in os.listdir(RUN):
        path = os.path.join(RUN, name)
        lock = _locked(path) if OURS.match(name) else None
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked(path):
    """Lock a folder; give its descriptor, or None for one that somebody has, or that is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    ours = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        if not ours:
            os.close(descriptor)
    return descriptor if ours else None


def full_name(image):
    """Give the name under which containerd keeps an image that Docker calls `image`."""
    first, slash, _ = image.partition("/")
    if not slash:
        return "docker.io/library/" + image
    if "." in first or ":" in first or first == "localhost":
        return image
    return "docker.io/" + image


def image_path(image, what):
    """Give the path of Docker's API for an image."""
    return "/images/{}/{}".format(urllib.parse.quote(image, safe="/:@"), what)


def pulled_as(image):
    """Give the name by which a registry gives exactly the image that Docker has; "" when Docker has noted none."""
    if "@" in image:
        return full_name(image)
    repository = image if ":" not in image.rpartition("/")[2] else image.rpartition(":")[0]
    noted = (docker("GET", image_path(image, "json")) or {}).get("RepoDigests") or []
    return next((full_name(name) for name in noted if name.partition("@")[0] == repository), "")


def proxies():
    """Give the proxies that Docker pulls through, as variables for a program; it shows no password of theirs."""
    info = docker("GET", "/info") or {}
    named = {"HTTP_PROXY": "HttpProxy", "HTTPS_PROXY": "HttpsProxy", "NO_PROXY": "NoProxy"}
    return {name: info[key] for name, key in named.items() if info.get(key)}


class Registries:
    """Pulls images as containerd will: with its hosts.toml files of then, in a folder that ends with the `with` block.

    It knows no passwords: the kubelet keeps those, and gives them to CRI with each pull.
    """

    def __init__(self, folder, files):
        self.folder = folder
        self.files = files
        self.away = {}
        """Why registries that do not answer are not asked again, by their names."""

    def __enter__(self):
        with ExitStack() as opened:
            self._fill(opened.enter_context(Place("pull")))
            self.proxies = proxies()
            self.opened = opened.pop_all()
        return self

    def __exit__(self, *_):
        self.opened.close()

    def _fill(self, place):
        self.hosts = os.path.join(place, "certs.d")
        if os.path.isdir(self.folder):
            shutil.copytree(self.folder, self.hosts, ignore_dangling_symlinks=True)
        for file in self.files:
            path = os.path.join(self.hosts, os.path.relpath(file["path"], self.folder))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if file["copies"]:
                shutil.copyfile(file["copies"], path)
            else:
                with open(path, "wb") as written:
                    written.write(base64.b64decode(file["content"]))

    def pull(self, client, image):
        """Pull the image that Docker has under this name; give "", or why that cannot be."""
        reference = pulled_as(image)
        registry = reference.partition("/")[0]
        if not reference:
            return "Docker notes no registry that has it"
        if registry in self.away:
            return self.away[registry]
        words = client + ["images", "pull", "--hosts-dir", self.hosts, reference]
        code, _, said = run(words, timeout=PULL_SECONDS, check=False, settings=self.proxies)
        if code == 0:
            if reference != full_name(image):
                run(client + ["images", "tag", "--force", reference, full_name(image)])
            return ""
        why = (said.strip().splitlines() or ["it ended with {}".format(code)])[-1][-300:]
        if code == 124 or any(sign in why for sign in AWAY):
            self.away[registry] = why
        return why
