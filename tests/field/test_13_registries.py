"""A node whose images come from their registries while it serves, by every way that it has to them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lab.registries import FAR, OPEN, PRIVATE, VAULT
from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS
from tests.lab.test_5_migration import CONSENT

NODE = WORKERS[0]
"""Its Docker has a mirror, a client certificate, a password and a proxy."""
NOTED = "docker image inspect -f '{{join .RepoDigests \" \"}}' $(docker image ls -q)"


def test_images_are_pulled_by_every_way(fresh_lab: Lab, tmp_path: Path) -> None:
    """The same images as Docker has, by the registries' digests; with a password, they come out of Docker's store."""
    lab = fresh_lab
    inventory = lab.configured(tmp_path / "inventory.yml", image_source="registry", proof="none")
    planned = json.loads(lab.migrator("plan", "-o", "json", "--node", NODE, *CONSENT, inventory).stdout)["nodes"][0]
    noted = {name.partition("@")[2] for name in lab.on(NODE, NOTED).split()}

    done = lab.migrator("apply", "--node", NODE, "--yes", *CONSENT, inventory)

    print(done.stderr)
    assert done.returncode == 0, done.stderr
    copied = dict(re.findall(r"(\S+) comes out of Docker's store, not pulled: (.*)", done.stderr))
    listed = map(str.split, lab.on(NODE, "ctr -n k8s.io images list").splitlines()[1:])
    stored = {row[0]: row[2] for row in listed}
    for image in planned["images"]:
        (name,) = (name for name in stored if name == image or re.fullmatch(rf"docker\.io/(library/)?{image}", name))
        assert image in copied or stored[name] in noted, f"{image} is {stored[name]}"
    for way in ("tool:1", OPEN.name, VAULT.name, FAR.name):  # the first one by the mirror: nobody else answers for it
        used = [image for image in planned["images"] if image.startswith(way)]
        assert used
        assert not set(used) & set(copied), copied
    refused = {image for image, why in copied.items() if "401" in why}
    assert refused == {image for image in planned["images"] if image.startswith(PRIVATE.name)}
    assert {why for image, why in copied.items() if image not in refused} <= {"Docker notes no registry that has it"}
    assert lab.on(NODE, "ls -d /run/migrator-pull-* 2>/dev/null || true") == ""
    assert lab.node(NODE)["runtime"].startswith("containerd://")
    lab.all_available()
