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

import subprocess
import urllib.parse

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import CRI_NAMESPACE, NodeError, ctr, docker_open

CHUNK = 1024 * 1024


def full_name(image):
    """Give the name under which containerd keeps an image that Docker calls `image`."""
    first, slash, _ = image.partition("/")
    if not slash:
        return "docker.io/library/" + image
    if "." in first or ":" in first or first == "localhost":
        return image
    return "docker.io/" + image


def carry(image):
    """Stream one image over; return how many bytes went through."""
    response = docker_open("GET", "/images/{}/get".format(urllib.parse.quote(image, safe="/:@")))
    if response.status != 200:
        raise NodeError("Docker does not give {}: {}".format(image, response.read().decode(errors="replace")[:300]))
    importer = subprocess.Popen(
        ["ctr", "--namespace", CRI_NAMESPACE, "images", "import", "-"],
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


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"images": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    try:
        present = set(ctr(["images", "list", "--quiet"])[1].split())
        lacking = [image for image in module.params["images"] if full_name(image) not in present]
        carried = []
        for image in lacking:
            carried.append({"image": image, "bytes": 0 if module.check_mode else carry(image)})
    except (NodeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(carried), carried=carried)


if __name__ == "__main__":
    main()
