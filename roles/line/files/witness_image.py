"""The probe's image in a runtime's own store, brought there without a registry."""

import base64
import binascii
import hashlib
import http.client
import json
import os
import re
import socket as sockets
import tempfile
import urllib.parse

from witness_base import WitnessError, part, question, run, short

DOCKER_SOCKET = "/var/run/docker.sock"
NEEDED = 32 * 1024 * 1024
"""Bytes that must be free: the image is far smaller, its store's databases grow too."""
IMPORT_SECONDS = 300


class RefusedError(WitnessError):
    """A store cannot or will not."""


@question
def import_image(runtime, socket, archive, sha256, reference):
    """Bring an archive (in base64) into a runtime's store, unless the store has that reference; say whether it had.

    What the store itself refuses is an answer too, with the reason as `refused`.
    """
    store = _store(runtime, socket)
    try:
        data = base64.b64decode(archive, validate=True)
    except binascii.Error:
        raise WitnessError("the archive is damaged: it is not base64")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WitnessError(f"the archive is damaged: its SHA-256 is {found}, not {sha256}")
    try:
        if store.has(reference):
            return {"had": True}
        store.load(data, reference)
        lost = "" if store.has(reference) else f"{runtime} took the archive, but has no image {reference} now"
    except RefusedError as error:
        lost = str(error)
    return {"had": False, "refused": lost} if lost else {"had": False}


@question
def remove_image(runtime, socket, reference):
    """Remove an image from a runtime's store; say whether it was there."""
    store = _store(runtime, socket)
    had = store.has(reference)
    if had:
        store.remove(reference)
    return {"had": had}


@question
def image_space(runtime, path, at=""):
    """Say how many bytes are free where an image would go, and how many it needs; none is free without an inode."""
    if runtime not in STORES:
        raise WitnessError(f"{runtime} is no runtime that is known here")
    place = path
    while not os.path.exists(at + place) and place not in ("", "/"):
        place = os.path.dirname(place)
    status = os.statvfs(at + place)
    # Filesystems that make inodes as they need them report none at all.
    room = status.f_favail > 0 or status.f_files == 0
    return {"free": status.f_frsize * status.f_bavail if room else 0, "needed": NEEDED}


def _store(runtime, socket):
    if runtime not in STORES:
        raise WitnessError(f"images of {runtime} cannot be imported; known are {', '.join(sorted(STORES))}")
    return STORES[runtime](socket)


def _refused(what, message):
    """Give the problem that a client's message tells of."""
    text = short(message)
    if re.search(r"no space left|disk quota exceeded", text, re.IGNORECASE):
        return RefusedError(f"{what}: the store's filesystem is full; free some space there ({text})")
    return RefusedError(f"{what}: {text}")


class ContainerdStore:
    """containerd's store, in the namespace of CRI, through its own client."""

    def __init__(self, socket):
        self.client = ["ctr", "--address", re.sub(r"^unix://", "", socket), "--namespace", "k8s.io", "images"]

    def _do(self, words, data=None):
        code, out, err = run(self.client + words, seconds=IMPORT_SECONDS, data=data)
        if code != 0:
            raise _refused(f"`ctr images {words[0]}` failed", err or out)
        return out

    def _images(self):
        """Give the digest of each image by its name."""
        rows = [line.split() for line in self._do(["list"]).splitlines()[1:]]
        return {row[0]: row[2] for row in rows if len(row) > 2}

    def has(self, reference):
        """Tell whether it is there."""
        return reference in self._images()

    def load(self, data, _):
        """Import an archive."""
        self._do(["import", "-"], data)

    def remove(self, reference):
        """Remove an image, and the records by digest that CRI adds to it unless another name needs them."""
        images = self._images()
        same = [name for name, digest in images.items() if digest == images[reference] and name != reference]
        repository = reference.rpartition(":")[0]
        records = [name for name in sorted(same) if name.startswith(("sha256:", repository + "@"))]
        self._do(["remove", "--sync", reference] + (records if len(records) == len(same) else []))


class DockerStore:
    """Docker's store, through its API. `socket` may be Docker's; a shim's CRI socket stands for the usual one."""

    def __init__(self, socket):
        self.socket = socket if socket.endswith("docker.sock") else DOCKER_SOCKET

    def _ask(self, method, path, data=None):
        connection = http.client.HTTPConnection("docker", timeout=IMPORT_SECONDS)
        connection.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        connection.sock.settimeout(IMPORT_SECONDS)
        try:
            connection.sock.connect(re.sub(r"^unix://", "", self.socket))
            connection.request(method, path, body=data, headers={"Content-Type": "application/x-tar"})
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise WitnessError(f"Docker does not answer at {self.socket}: {error}")
        finally:
            connection.close()

    def _path(self, reference):
        return "/images/" + urllib.parse.quote(reference, safe="/:@")

    def has(self, reference):
        """Tell whether it is there."""
        status, body = self._ask("GET", self._path(reference) + "/json")
        if status not in (200, 404):
            raise _refused(f"Docker does not tell whether it has {reference}", body)
        return status == 200

    def load(self, data, _):
        """Import an archive; Docker reports a failure in the midst of a good answer."""
        status, body = self._ask("POST", "/images/load?quiet=1", data)
        errors = [line["error"] for line in map(_document, body.splitlines()) if "error" in line]
        if status != 200 or errors:
            raise _refused("Docker does not load the image", "\n".join(errors) or body)

    def remove(self, reference):
        """Remove an image."""
        status, body = self._ask("DELETE", self._path(reference))
        if status not in (200, 404):
            raise _refused(f"Docker does not remove {reference}", body)


def _document(line):
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class CrioStore:
    """CRI-O's store, which has no way in but that of containers/image."""

    def __init__(self, _):
        pass

    def has(self, reference):
        """Tell whether it is there."""
        code, _, err = run(["skopeo", "inspect", "--raw", f"containers-storage:{reference}"])
        if code == 127:
            raise WitnessError(
                "skopeo is not installed; without it no image comes into CRI-O's store but from a registry"
            )
        if code != 0 and not re.search(r"does not resolve to an image|identifier is not an image", err):
            raise _refused("skopeo does not read CRI-O's store", err)
        return code == 0

    def load(self, data, reference):
        """Import an archive."""
        with tempfile.NamedTemporaryFile(prefix="migrator-", suffix=".tar", dir="/run") as file:
            file.write(data)
            file.flush()
            places = [f"oci-archive:{file.name}", f"containers-storage:{reference}"]
            code, out, err = run(["skopeo", "--insecure-policy", "copy"] + places, seconds=IMPORT_SECONDS)
        if code != 0:
            raise _refused("`skopeo copy` failed", err or out)

    def remove(self, reference):
        """Remove an image."""
        code, out, err = run(["skopeo", "delete", f"containers-storage:{reference}"], seconds=IMPORT_SECONDS)
        if code != 0:
            raise _refused("`skopeo delete` failed", err or out)


STORES = {"containerd": ContainerdStore, "cri-o": CrioStore, "docker": DockerStore}
part("witness_image", globals())
