#!/usr/bin/python
"""Carry images from Docker's store into containerd's, where CRI finds them, or pull the same from their registries.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: carry_images
short_description: Copy images from Docker's store into containerd's
description:
  - Streams each image out of Docker's API into C(ctr images import), in the namespace that CRI uses. An image that
    is already there under the same name is left alone, unless Docker has another one under that name by now.
  - With O(registries) each is pulled first, by the digest that Docker has noted for it, so that it is the same image
    whatever its tag means by now. What cannot be pulled that way is copied, and it is said why.
  - In check mode it says what lacks, with the sizes that Docker gives.
options:
  images:
    description: The images, each as repository:tag or repository@digest, as Docker calls them.
    type: list
    elements: str
    required: true
  root:
    description:
      - Folder where containerd will keep its data, when that is another one than now. A containerd of our own then
        takes the images there, because the one that runs must not be restarted while the node serves.
    type: str
    default: ""
  registries:
    description:
      - Has images pulled, with what containerd will know of registries. C(folder) is where its C(hosts.toml) files are,
        and C(files) are those that it will have there besides, each with C(path), and C(content) in base64 or
        C(copies), a file on the node.
    type: dict
author: [the migrator project]
"""
EXAMPLES = r"""
- name: Carry one image
  carry_images:
    images: [registry.example/app:1]
"""
RETURN = r"""
carried:
  description:
    Name and size in bytes of each image that is new in the store, or would be; V(why) it was not pulled, or "".
  type: list
  returned: always
portions:
  description: Their names, divided into portions to be copied one after the other.
  type: list
  returned: always
"""

import ctypes
import http.client
import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_images import Place, Registries, full_name, image_path, sweep
from ansible.module_utils.migrator_node import CRI_NAMESPACE, NodeError, docker, docker_open, environment, run

CHUNK = 1024 * 1024
PORTION = 200 * 10**6
"""Bytes, about: so often it is told how far they are. A task costs seconds on a slow node, so it is not each image."""
START_SECONDS = 120
EXPORT_SECONDS = 3600
PR_SET_PDEATHSIG = 1
"""<linux/prctl.h>."""
UNWANTED = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.nri.v1.nri",
]
"""Plugins that only the node's own containerd may run: they take sockets and look after containers."""


def carry(client, image):
    """Stream one image over; return how many bytes went through. Raise NodeError with the image's name."""
    try:
        return stream(client, image)
    except (OSError, http.client.HTTPException) as error:
        raise NodeError("{} could not be copied out of Docker: {}".format(image, error or type(error).__name__))


def naming(image):
    """Give the options with which an archive's only image gets the name that Docker leaves out of it: one by digest.

    The digest is that of the manifest in the registry, which Docker checked when it pulled. What Docker gives out has a
    manifest of its own, so containerd's record of the name points to another digest; CRI goes by the name
    (containerd 1.6.20 and 2.1.9, tried: ImageStatus finds it).
    """
    return ["--index-name", full_name(image)] if "@" in image else []


def stream(client, image):
    """Have Docker write the image into containerd's client."""
    # Docker writes all layers to a folder of its own before it sends the first byte (moby image/tarexport).
    response = docker_open("GET", image_path(image, "get"), timeout=EXPORT_SECONDS)
    if response.status != 200:
        raise NodeError("Docker does not give {}: {}".format(image, response.read().decode(errors="replace")[:300]))
    importer = subprocess.Popen(
        client + ["images", "import"] + naming(image) + ["-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    size = 0
    try:
        for chunk in iter(lambda: response.read(CHUNK), b""):
            importer.stdin.write(chunk)
            size += len(chunk)
    except BrokenPipeError:
        pass  # the importer ended early; its exit code and message say why
    _, message = importer.communicate()
    if importer.returncode != 0:
        raise NodeError(
            "containerd does not take {}: {}".format(image, message.decode(errors="replace").strip()[-300:])
        )
    return size


def _ends_with_us():
    """Have the kernel kill this process when its parent ends, however that ends (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class OwnContainerd:
    """A containerd that serves nobody else, on the data folder that the node's own will have.

    It has its own state folder and socket, and no CRI plugin, and ends with the `with` block. Where we are killed it
    ends too: it would hold the lock of the store, and the node's own containerd would wait for that at the switch.
    """

    def __init__(self, root):
        self.root = root

    def __enter__(self):
        with ExitStack() as opened:
            client = self._start(opened.enter_context(Place("carry")), opened)
            self.opened = opened.pop_all()
        return client

    def __exit__(self, *_):
        self.opened.close()

    def _start(self, folder, opened):
        """Start it, to be ended with `opened`; give the words of its client once it answers."""
        config, socket = os.path.join(folder, "config.toml"), os.path.join(folder, "containerd.sock")
        with open(config, "w") as file:
            file.write("version = 2\ndisabled_plugins = {}\n".format(json.dumps(UNWANTED)))
        os.makedirs(self.root, mode=0o711, exist_ok=True)
        places = ["--root", self.root, "--state", os.path.join(folder, "state"), "--address", socket]
        log = open(os.path.join(folder, "log"), "w+")
        with log:
            words = ["containerd", "--config", config] + places
            process = subprocess.Popen(
                words, stdout=log, stderr=log, env=environment(),
                preexec_fn=_ends_with_us,  # noqa: PLW1509 - a module has one thread
            )  # fmt: skip
        opened.callback(_end, process)
        client = ["ctr", "--address", socket, "--namespace", CRI_NAMESPACE]
        deadline = time.time() + START_SECONDS
        while run(client + ["version"], timeout=30, check=False)[0] != 0:
            if process.poll() is not None or time.time() > deadline:
                with open(log.name) as said:
                    message = said.read()[-300:]
                raise NodeError("a containerd on {} does not start: {}".format(self.root, message))
            time.sleep(0.5)
        return client


def _end(process):
    if process.poll() is None:
        process.terminate()
    process.wait()


def stored(client):
    """Give the digest of each image that containerd's store has, by name."""
    rows = [line.split() for line in run(client + ["images", "list"])[1].splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def same(client, digest, image):
    """Tell whether what the store has under a digest is what Docker calls by this name now.

    Docker's id of an image is the digest of its configuration (OCI image-spec, config.md, ImageID), which the
    manifest names. Where that cannot be compared, as in a list of manifests, the name counts.
    """
    try:
        manifest = json.loads(run(client + ["content", "get", digest], check=False)[1])
        held = manifest["config"]["digest"]
    except (ValueError, KeyError, TypeError):
        return True
    # With Docker's containerd image store its id is that of the manifest.
    return (docker("GET", image_path(image, "json")) or {}).get("Id", held) in (held, digest)


def carry_all(client, images, bring):
    """Bring those that the store does not have yet, or has as they were; give what `bring` says of each."""
    present = stored(client)
    carried = []
    for image in images:
        digest = present.get(full_name(image))
        if digest is None or not same(client, digest, image):
            carried.append(bring(client, image))
    return carried


def counted(_, image):
    """Say how large an image is that is yet to come."""
    return {"image": image, "bytes": size(image), "why": ""}


def copied(client, image, why=""):
    """Copy an image."""
    return {"image": image, "bytes": carry(client, image), "why": why}


def bringing(registries):
    """Give what pulls an image, or copies it where that cannot be."""

    def bring(client, image):
        why = registries.pull(client, image)
        return copied(client, image, why) if why else counted(client, image)

    return bring


def size(image):
    """Give the bytes that Docker counts for an image; about so many go through."""
    return (docker("GET", image_path(image, "json")) or {}).get("Size", 0)


def portions(carried):
    """Divide images into portions that are full at `PORTION`; the image that fills one is its last."""
    found, room = [], 0
    for entry in carried:
        if room <= 0:
            found.append([])
            room = PORTION
        found[-1].append(entry["image"])
        room -= entry["bytes"]
    return found


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "str", "default": ""},
            "registries": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    images, root, known = (module.params[name] for name in ("images", "root", "registries"))
    try:
        if not module.check_mode:
            sweep()
        with ExitStack() as opened:
            if module.check_mode:
                bring = counted
            elif known:
                bring = bringing(opened.enter_context(Registries(**known)))
            else:
                bring = copied
            if root and module.check_mode:
                # Nobody has that store open who could be asked.
                carried = [counted(None, image) for image in images]
            else:
                service = ["ctr", "--namespace", CRI_NAMESPACE]
                client = opened.enter_context(OwnContainerd(root)) if root else service
                carried = carry_all(client, images, bring)
    except (NodeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(carried), carried=carried, portions=portions(carried))


if __name__ == "__main__":
    main()
