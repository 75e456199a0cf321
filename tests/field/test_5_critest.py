"""Kubernetes' own checks of a runtime (critest, of cri-tools) come to the same on a migrated node as on a new one.

They need the program: MIGRATOR_CRITEST names a static one, of a release that speaks CRI v1.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab import guests, images, registries, spare
from lab.settings import REGISTRY, SPARE, Node, Settings
from tests.field.programs import served
from tests.field.sessions import migrate
from tests.lab.conftest import Lab

CRITEST = os.environ.get("MIGRATOR_CRITEST", "")
NODE = "worker-2"
FOLDER = "/opt/critest"
SHELL, WEB = "lab/critest-shell:1", "lab/critest-web:1"
# A proof that the network of a new node is no other than the lab's: its conflist is the one of a worker.
# critest takes any word on stderr for a failure of `sudo apparmor_parser`, and sudo wants to know its host's name.
NEW = f"""
grep -q "$(hostname)" /etc/hosts || echo "127.0.1.1 $(hostname)" >> /etc/hosts
mkdir -p /etc/containerd
containerd config default | sed -e 's#sandbox_image = .*#sandbox_image = "{images.PAUSE}"#' -e 's#bin_dir = .*#bin_dir = "/usr/lib/cni"#' \\
  > /etc/containerd/config.toml
systemctl restart containerd
"""
RUN = f"""
mkdir -p {FOLDER}
curl -sSf -o {FOLDER}/critest {{address}}
chmod 755 {FOLDER}/critest
printf 'defaultTestContainerImage: {REGISTRY}/{SHELL}\\nwebServerTestImage: {REGISTRY}/{WEB}\\n' > {FOLDER}/images.yml
cd {FOLDER}
./critest -runtime-endpoint unix:///run/containerd/containerd.sock -test-images-file images.yml -ginkgo.no-color \\
  -ginkgo.seed 1 -ginkgo.junit-report report.xml > log 2>&1 || true
test -e report.xml || tail -n 30 log >&2
cat report.xml
rm -r {FOLDER}
"""

pytestmark = pytest.mark.skipif(not CRITEST, reason="MIGRATOR_CRITEST names no critest program")


def pushed(settings: Settings, folder: Path) -> None:
    """Put the images that it takes into the lab's registry: every applet of busybox, and a web server on port 80."""
    layers = images.layouts(settings)[images.BUSYBOX] / "blobs/sha256"
    program = next(data for blob in layers.iterdir() for data in _programs(blob))
    local = folder / "busybox"
    local.write_bytes(program)
    local.chmod(0o755)
    applets = subprocess.run([local, "--list"], capture_output=True, text=True, check=True).stdout.split()
    layer = images.Layer(
        files={
            "bin/busybox": program,
            "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
            "etc/group": b"root:x:0:\n",
            "index.html": b"hello\n",
        },
        links={f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"},
    )
    for name, entrypoint in ((SHELL, ["/bin/sh"]), (WEB, ["/bin/httpd", "-f", "-p", "80", "-h", "/"])):
        layout = folder / name.replace("/", "-").replace(":", "-")  # a colon would begin a tag
        images.write_layout(layout, images.packed(layer), entrypoint)
        registries.push(settings, layout, name)


def _programs(blob: Path) -> Iterator[bytes]:
    """Give the program in a blob, where that is a layer."""
    if tarfile.is_tarfile(blob):
        with tarfile.open(blob) as layer:
            found = layer.extractfile("bin/busybox")
            if found is not None:
                yield found.read()


def outcomes(lab: Lab, node: Node, address: str) -> dict[str, str]:
    """Run all of it on a guest, which fetches it from there; give what each check came to."""
    report = guests.script(lab.settings, node, RUN.format(address=address), seconds=5400)
    found = {}
    for case in ET.fromstring(report[report.index("<?xml") :]).iter("testcase"):  # noqa: S314 - our own guest's
        kinds = {entry.tag for entry in case}
        word = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[case.get("name", "")] = word
    print(f"{node.name}: {dict(Counter(found.values()))}")
    return found


def test_a_migrated_node_passes_what_a_new_one_does(fresh_lab: Lab, tmp_path: Path) -> None:
    """Every single check has the same outcome; those that need an image from the internet fail on both."""
    lab = fresh_lab
    pushed(lab.settings, tmp_path)
    spare.up(lab.settings)
    try:
        conflist = lab.on(NODE, "cat /etc/cni/net.d/10-lab.conflist")
        guests.script(
            lab.settings,
            SPARE,
            f"mkdir -p /etc/cni/net.d\ncat > /etc/cni/net.d/10-lab.conflist <<'EOF'\n{conflist}\nEOF\n{NEW}",
        )
        migrate(lab, NODE, tmp_path)
        lab.on(NODE, "systemctl stop kubelet")  # it would end every sandbox that it does not know
        with served(lab.settings, Path(CRITEST)) as address, ThreadPoolExecutor(2) as both:
            program = f"{address}/{Path(CRITEST).name}"
            runs = [both.submit(outcomes, lab, node, program) for node in (SPARE, lab.settings.node(NODE))]
            new, migrated = (run.result() for run in runs)
    finally:
        spare.down(lab.settings)
        lab.on(NODE, "systemctl start kubelet")

    print("\n".join(sorted(f"{word}: {name}" for name, word in new.items() if word == "failed")))
    other = {name: (new.get(name), word) for name, word in migrated.items() if new.get(name) != word}
    print(f"another way on the migrated node: {other}")
    assert other == {}
    assert Counter(new.values())["passed"] > 50
