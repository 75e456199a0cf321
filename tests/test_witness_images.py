"""The witness and the images of a runtime: stores that take an archive, have it, are full, refuse or are not there."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import socketserver
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.witness_parts import put

base: Any = importlib.import_module("witness_base")
images: Any = importlib.import_module("witness_image")

ARCHIVE = b"an archive"
REFERENCE = "migrator.invalid/probe:0123456789ab"
CTR = """\
#!/bin/sh
echo "$@" >> {folder}/calls
case "$6" in
list) printf 'REF TYPE DIGEST SIZE PLATFORMS LABELS\\n'; cat {folder}/images 2>/dev/null || true ;;
import) cat > {folder}/taken; test -z "{message}" || {{ echo "{message}" >&2; exit 1; }}
  echo "{reference} application/x sha256:1 1 KiB linux/amd64 -" > {folder}/images ;;
esac
"""
SKOPEO = """\
#!/bin/sh
echo "$@" >> {folder}/calls
case "$1" in
inspect) test -e {folder}/images || {{ echo "identifier is not an image" >&2; exit 1; }} ;;
delete) rm {folder}/images ;;
*) cp "$(echo "$3" | cut -d: -f2)" {folder}/taken; test -z "{message}" || {{ echo "{message}" >&2; exit 1; }}; touch {folder}/images ;;
esac
"""


class Docker(BaseHTTPRequestHandler):
    """As much of Docker's API as images need."""

    def answer(self, status: int, body: str = "") -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        """Tell whether there is such an image."""
        self.answer(200 if self.server.images else 404, "{}")  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        """Load an archive; a failure comes with status 200, as from Docker."""
        self.server.taken = self.rfile.read(int(self.headers["Content-Length"]))  # type: ignore[attr-defined]
        message = self.server.message  # type: ignore[attr-defined]
        if not message:
            self.server.images = True  # type: ignore[attr-defined]
        self.answer(200, json.dumps({"error": message} if message else {"stream": "Loaded"}) + "\n")

    def do_DELETE(self) -> None:
        """Remove the image."""
        self.server.images = False  # type: ignore[attr-defined]
        self.answer(200, "[]")

    def address_string(self) -> str:
        """There is none."""
        return ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Store:
    """A runtime's store that is played."""

    def __init__(self, runtime: str, folder: Path, server: Any) -> None:
        self.runtime, self.folder, self.server = runtime, folder, server
        self.socket = f"{folder}/docker.sock" if runtime == "docker" else "unix:///run/x.sock"

    def plays(self, message: str = "") -> None:
        """Refuse with this message, or take what comes."""
        self.server.message = message
        for name, script in (("ctr", CTR), ("skopeo", SKOPEO)):
            text = script.format(folder=self.folder, message=message, reference=REFERENCE)
            put(self.folder, {f"bin/{name}": text})
            (self.folder / "bin" / name).chmod(0o755)

    def bring(self, data: bytes = ARCHIVE, **changed: str) -> Any:
        """Bring an image there."""
        words = {"archive": base64.b64encode(data).decode(), "sha256": hashlib.sha256(data).hexdigest()}
        return images.import_image(self.runtime, self.socket, **{**words, **changed}, reference=REFERENCE)

    @property
    def taken(self) -> bytes:
        """What it was given."""
        return self.server.taken if self.runtime == "docker" else (self.folder / "taken").read_bytes()


@pytest.fixture(params=["containerd", "docker", "cri-o"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Give each kind of store, empty."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with socketserver.ThreadingUnixStreamServer(f"{tmp_path}/docker.sock", Docker) as server:
        server.images, server.taken, server.message = False, b"", ""  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = Store(request.param, tmp_path, server)
        made.plays()
        yield made
        server.shutdown()
        thread.join()


def test_an_image_comes_and_goes(store: Store) -> None:
    """The archive arrives whole; one that is there already is not brought again; removing it twice is no error."""
    assert store.bring() == {"had": False}
    assert store.taken == ARCHIVE
    assert store.bring() == {"had": True}
    if store.runtime != "containerd":  # its client is played without a memory
        assert images.remove_image(store.runtime, store.socket, REFERENCE) == {"had": True}
        assert images.remove_image(store.runtime, store.socket, REFERENCE) == {"had": False}


def test_a_damaged_archive_reaches_no_store(store: Store) -> None:
    """Both hashes are named."""
    with pytest.raises(base.WitnessError, match=r"the archive is damaged: its SHA-256 is [0-9a-f]{64}, not 00"):
        store.bring(sha256="00")
    with pytest.raises(base.WitnessError, match="the archive is damaged: it is not base64"):
        store.bring(archive="***")
    assert not (store.folder / "calls").exists()


def test_a_full_store_is_called_full(store: Store) -> None:
    """Whatever words the client wraps it in, with what to do."""
    store.plays("failed to write: /var/lib/x/blob: no space left on device")

    answer = store.bring()

    assert not answer["had"]
    assert re.search(r"the store's filesystem is full; free some space there \(.*blob: no space", answer["refused"])


def test_what_a_client_says_is_handed_on(store: Store) -> None:
    """Its message, in one line."""
    store.plays("unexpected media type")

    assert store.bring()["refused"].endswith(": unexpected media type")


def test_a_store_that_is_not_there_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that is missing, or the socket that does not answer."""
    monkeypatch.setenv("PATH", "/nowhere")
    store.socket = "/nowhere/docker.sock"
    expected = {
        "containerd": "ctr: No such file",
        "docker": "Docker does not answer at /nowhere/docker.sock",
        "cri-o": "skopeo is not installed",
    }

    try:
        said = store.bring()["refused"]
    except base.WitnessError as error:
        said = str(error)

    assert expected[store.runtime] in said


def test_a_runtime_that_is_unknown_is_refused() -> None:
    """With those that are known."""
    with pytest.raises(
        base.WitnessError, match="images of rkt cannot be imported; known are containerd, cri-o, docker"
    ):
        images.remove_image("rkt", "/x", REFERENCE)
    with pytest.raises(base.WitnessError, match="rkt is no runtime that is known here"):
        images.image_space("rkt", "/")


@pytest.mark.parametrize("store", ["containerd"], indirect=True)
def test_records_by_digest_go_with_the_name(store: Store) -> None:
    """CRI keeps the image under its digests too; they stay where another name needs them."""
    row = "{} application/x {} 1 KiB linux/amd64 -\n"
    ours = (
        row.format(REFERENCE, "sha256:1")
        + row.format("sha256:9", "sha256:1")
        + row.format("migrator.invalid/probe@sha256:1", "sha256:1")
    )
    calls = store.folder / "calls"
    for others, expected in (
        (row.format("busybox:1", "sha256:2"), f"--sync {REFERENCE} migrator.invalid/probe@sha256:1 sha256:9"),
        (row.format("busybox:1", "sha256:1"), f"--sync {REFERENCE}"),
    ):
        put(store.folder, {"images": ours + others, "calls": ""})

        assert images.remove_image("containerd", store.socket, REFERENCE) == {"had": True}

        assert calls.read_text().splitlines()[-1].endswith(f"images remove {expected}")


def test_room_is_told_for_a_folder_that_is_yet_to_come(tmp_path: Path) -> None:
    """That of the filesystem which it would be on."""
    here = images.image_space("containerd", str(tmp_path))
    assert here["free"] > here["needed"] > 0
    assert images.image_space("containerd", f"{tmp_path}/not/yet")["needed"] == here["needed"]
