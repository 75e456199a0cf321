#!/usr/bin/python
"""Carry images from Docker's store into containerd's, where CRI finds them.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: carry_images
short_description: Copy images from Docker's store into containerd's
description:
  - Streams each image out of Docker's API into C(ctr images import), in the namespace that CRI uses. An image that
    is already there under the same name is left alone.
options:
  images:
    description: The images, each as repository:tag.
    type: list
    elements: str
    required: true
  root:
    description:
      - Folder where containerd will keep its data, when that is another one than now. A containerd of our own then
        takes the images there, because the one that runs must not be restarted while the node serves.
    type: str
    default: ""
author: [the migrator project]
"""
EXAMPLES = r"""
- name: Carry one image
  carry_images:
    images: [registry.example/app:1]
"""
RETURN = r"""
carried:
  description: Name and size in bytes of each image that was copied.
  type: list
  returned: always
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import CRI_NAMESPACE, NodeError, docker_open, run

CHUNK = 1024 * 1024
START_SECONDS = 120
UNWANTED = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.nri.v1.nri",
]
"""Plugins that only the node's own containerd may run: they take sockets and look after containers."""


def full_name(image):
    """Give the name under which containerd keeps an image that Docker calls `image`."""
    first, slash, _ = image.partition("/")
    if not slash:
        return "docker.io/library/" + image
    if "." in first or ":" in first or first == "localhost":
        return image
    return "docker.io/" + image


def carry(client, image):
    """Stream one image over; return how many bytes went through."""
    response = docker_open("GET", "/images/{}/get".format(urllib.parse.quote(image, safe="/:@")))
    if response.status != 200:
        raise NodeError("Docker does not give {}: {}".format(image, response.read().decode(errors="replace")[:300]))
    importer = subprocess.Popen(
        client + ["images", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
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


class OwnContainerd:
    """A containerd that serves nobody else, on the data folder that the node's own will have.

    It has its own state folder and socket, and no CRI plugin, and ends with the `with` block.
    """

    def __init__(self, root):
        self.root = root
        self.folder = tempfile.mkdtemp(prefix="migrator-carry-", dir="/run")
        self.socket = os.path.join(self.folder, "containerd.sock")

    def __enter__(self):
        config = os.path.join(self.folder, "config.toml")
        with open(config, "w") as file:
            file.write("version = 2\ndisabled_plugins = {}\n".format(json.dumps(UNWANTED)))
        os.makedirs(self.root, mode=0o711, exist_ok=True)
        places = ["--root", self.root, "--state", os.path.join(self.folder, "state"), "--address", self.socket]
        log = open(os.path.join(self.folder, "log"), "w+")
        with log:
            self.process = subprocess.Popen(["containerd", "--config", config] + places, stdout=log, stderr=log)
        client = ["ctr", "--address", self.socket, "--namespace", CRI_NAMESPACE]
        deadline = time.time() + START_SECONDS
        while run(client + ["version"], timeout=30, check=False)[0] != 0:
            if self.process.poll() is not None or time.time() > deadline:
                with open(log.name) as said:
                    message = said.read()[-300:]
                self.__exit__()
                raise NodeError("a containerd on {} does not start: {}".format(self.root, message))
            time.sleep(0.5)
        return client

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def carry_all(client, images, check_mode):
    """Carry those that the store does not have yet; say which and how many bytes."""
    present = set(run(client + ["images", "list", "--quiet"])[1].split())
    carried = []
    for image in images:
        if full_name(image) not in present:
            carried.append({"image": image, "bytes": 0 if check_mode else carry(client, image)})
    return carried


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    images, root = module.params["images"], module.params["root"]
    try:
        if root and not module.check_mode:
            with OwnContainerd(root) as client:
                carried = carry_all(client, images, False)
        else:
            carried = carry_all(["ctr", "--namespace", CRI_NAMESPACE], images, module.check_mode)
    except (NodeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(carried), carried=carried)


if __name__ == "__main__":
    main()
