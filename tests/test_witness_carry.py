"""The witness and images that a node has already: from Docker or the node's containerd into a private instance."""

from __future__ import annotations

import contextlib
import importlib
import socketserver
import sys
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.witness_parts import put

base: Any = importlib.import_module("witness_base")
image: Any = importlib.import_module("witness_image")
carry: Any = importlib.import_module("witness_image_carry")

ARCHIVE = bytes(range(256)) * 12288
"""Three times what is read at once."""
PAUSE = "registry.example/lab/pause:3.2"
CTR = """\
#!/bin/sh
at={folder}/$(basename "$2")
echo "$2 $6 $8" >> {folder}/calls
case "$6" in
list) printf 'REF TYPE DIGEST SIZE PLATFORMS LABELS\\n'; cat "$at.images" 2>/dev/null || true ;;
export) if test -e {folder}/torn; then head -c 5000 {folder}/archive; exit 1; else cat {folder}/archive; fi ;;
import) test -z "{message}" || {{ echo "{message}" >&2; exit 1; }}; cat > "$at.taken"
  cmp -s "$at.taken" {folder}/archive || {{ rm "$at.taken"; echo "unexpected EOF" >&2; exit 1; }} ;;
esac
"""
ROW = "{} application/x sha256:1 1 KiB linux/amd64 -\n"


class Docker(BaseHTTPRequestHandler):
    """As much of Docker's API as giving images needs."""

    def do_GET(self) -> None:
        """Tell whether there is an image, or give it, as the test says."""
        path = urllib.parse.unquote(self.path)
        self.server.asked.append(path)  # type: ignore[attr-defined]
        status, body, claimed = self.server.gives if path.endswith("/get") else (self.server.has, b"{}", 2)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the asker may have heard enough
            self.wfile.write(body)

    def address_string(self) -> str:
        """There is none."""
        return ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Node:
    """A node with a Docker, a containerd and a private instance, all played."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.folder, self.server = folder, server
        self.live, self.private = f"{folder}/live.sock", f"{folder}/private.sock"

    def plays(self, message: str = "") -> None:
        """Have `ctr` take what comes, or refuse with a message."""
        put(self.folder, {"bin/ctr": CTR.format(folder=self.folder, message=message)})
        (self.folder / "bin" / "ctr").chmod(0o755)

    def serves(self, reference: str = PAUSE) -> None:
        """Have the node's containerd, with this image."""
        put(self.folder, {"live.sock": "", "live.sock.images": ROW.format(reference)})

    def carry(self) -> Any:
        """Carry the image."""
        return carry.carry_image(PAUSE, self.private, at=self.live)

    @property
    def taken(self) -> bytes:
        """What the private instance was given."""
        return (self.folder / "private.sock.taken").read_bytes()


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """Give a node whose Docker has no image, and whose containerd does not run."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    # Where Docker's socket is, is what the program knows of nodes.
    for module in (image, carry, sys.modules["witness_image"]):
        monkeypatch.setattr(module, "DOCKER_SOCKET", f"{tmp_path}/docker.sock")
    (tmp_path / "archive").write_bytes(ARCHIVE)
    with socketserver.ThreadingUnixStreamServer(f"{tmp_path}/docker.sock", Docker) as server:
        server.asked, server.has, server.gives = [], 404, (200, ARCHIVE, len(ARCHIVE))  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = Node(tmp_path, server)
        made.plays()
        yield made
        server.shutdown()
        thread.join()


def test_an_image_comes_from_docker(node: Node) -> None:
    """It arrives whole, and Docker is asked before the node's containerd."""
    node.server.has = 200
    node.serves()

    assert node.carry() == {"had": True}

    assert node.taken == ARCHIVE
    assert node.server.asked == [f"/images/{PAUSE}/json", f"/images/{PAUSE}/get"]
    assert "export" not in (node.folder / "calls").read_text()


def test_an_image_comes_from_the_nodes_containerd(node: Node) -> None:
    """It is exported there and imported here, byte for byte; also where there is no Docker at all."""
    node.serves()
    assert node.carry() == {"had": True}
    assert node.taken == ARCHIVE

    Path(node.folder, "private.sock.taken").unlink()
    Path(node.folder, "docker.sock").unlink()
    assert node.carry() == {"had": True}
    assert node.taken == ARCHIVE


def test_an_image_that_is_there_is_not_carried(node: Node) -> None:
    """Nobody is asked for it."""
    put(node.folder, {"private.sock.images": ROW.format(PAUSE)})
    node.server.has = 200

    assert node.carry() == {"had": True}

    assert (node.server.asked, (node.folder / "private.sock.taken").exists()) == ([], False)


def test_an_image_that_nobody_has_is_to_be_pulled(node: Node) -> None:
    """That is said, and is no problem: the instance does as the real one would."""
    assert node.carry() == {"had": False}

    node.serves("registry.example/other:1")
    assert node.carry() == {"had": False}


def test_an_instance_that_refuses_is_heard(node: Node) -> None:
    """Its words are told in one line, also when it hangs up in the middle of the archive."""
    node.plays("content digest sha256:1:\nno space left on device")
    node.server.has = 200

    with pytest.raises(base.WitnessError, match="the image was not taken: content digest sha256:1:; no space left"):
        node.carry()


def test_what_docker_says_instead_is_told(node: Node) -> None:
    """Its error is no archive."""
    node.server.has = 200
    body = b'{"message":"layer is missing"}'
    node.server.gives = (500, body, len(body))

    with pytest.raises(base.WitnessError, match=f"Docker does not give {PAUSE}: .*layer is missing"):
        node.carry()

    assert not (node.folder / "private.sock.taken").exists()


def test_docker_that_ends_in_the_middle_is_told(node: Node) -> None:
    """An archive that was cut is not taken for a whole one: whoever reads it finds that its end is missing."""
    node.server.has = 200
    node.server.gives = (200, ARCHIVE[:5000], len(ARCHIVE))

    with pytest.raises(base.WitnessError, match="the image was not taken: unexpected EOF"):
        node.carry()


def test_an_export_that_fails_is_told(node: Node) -> None:
    """What `ctr` gave until then is not taken for the image, likewise."""
    node.serves()
    (node.folder / "torn").touch()

    with pytest.raises(base.WitnessError, match="the image was not taken: unexpected EOF"):
        node.carry()
