"""What we write for containerd, read by real containerds of Debian 11, 12, 13 and testing.

First in order: these need no guest.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import ssl
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import tomlkit
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lab import parsers, shell
from lab.parsers import Containerd
from lab.settings import Settings
from migrator.nodeconf.settings import Endpoint, Registry, RuntimeSettings
from migrator.runtimes import containerd
from migrator.runtimes.containerd import base_spec, hosts_toml
from migrator.runtimes.containerd import config_upgrade as containerd_lift
from migrator.runtimes.containerd import read as containerd_read
from tests.containerd_cases import FILES, LAYOUTS, SETTINGS
from tests.test_node_modules import load, migrator_node

containerd_config = load("containerd", "containerd_config")

ULIMITS = {"nofile": "1024:524288", "core": "0:-1"}
DUMPS_OPTIONS = (1, 5)
"""First release whose `config dump` prints the options of handlers (pkg/cri/config/config.go: a TOML primitive before)."""


@pytest.fixture(scope="module", params=parsers.SUITES)
def parser(request: pytest.FixtureRequest) -> Containerd:
    """Give each containerd in turn."""
    return parsers.containerd(Settings(), request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever a containerd left in it."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


_USUAL, _RICH = "Debian's", "handlers"
PAIRS = [(file, name) for file in (*FILES, *LAYOUTS) for name in SETTINGS if file == _USUAL or name == _RICH]
"""Every setting into one file, and one set of them into every file; `make check` tries all with all, by our reader."""


@pytest.mark.parametrize(("file", "name"), PAIRS)
def test_the_real_parser_understands_all_of_it(parser: Containerd, file: str, name: str, folder: Path) -> None:
    """Not one warning, and the effective values are those that were asked for."""
    existing, settings = {**FILES, **LAYOUTS}[file], SETTINGS[name]
    version = parser.version[:2]
    config = folder / "config.toml"
    if file in LAYOUTS:
        config.write_text(existing)
        if parser.dump(config)[1].startswith("exit"):
            pytest.skip("does not read that layout itself: 1.4 knows no keys with dots")
    config.write_text(containerd.write(existing, settings, version))

    dumped, complaints = parser.dump(config)

    assert complaints == ""
    compare(settings, containerd_read.settings(dumped), version)
    mirrored = containerd_read.registries(existing) or settings.registries
    if mirrored and version >= (1, 5):
        assert containerd_read.registries(dumped) == ()
        assert containerd.certs_folder(dumped) == "/etc/containerd/certs.d"
    elif mirrored:
        found = {registry.name: registry for registry in containerd_read.registries(dumped)}
        assert all(found[registry.name] == registry for registry in settings.registries)


def compare(wanted: RuntimeSettings, found: RuntimeSettings, version: tuple[int, ...]) -> None:
    """Compare each setting that this release has and that its dump shows."""
    unseen = {*containerd.unsupported(wanted, version), "registries", "handlers", "ulimits"}
    if version < DUMPS_OPTIONS:
        unseen.add("cgroup_driver")
    for field in RuntimeSettings.model_fields:
        value = getattr(wanted, field)
        if value and field not in unseen:
            assert getattr(found, field) == value, field
    handlers = {handler.name: handler for handler in found.handlers}
    for handler in wanted.handlers:
        assert handlers[handler.name].kind == handler.kind
        if version >= DUMPS_OPTIONS:
            assert handlers[handler.name] == handler


@pytest.mark.parametrize("release", ["bullseye", "bookworm", "trixie"])
def test_a_whole_dump_of_an_older_one_is_taken_over(parser: Containerd, release: str, folder: Path) -> None:
    """`containerd config default > config.toml` is what many nodes have; it is lifted without a warning."""
    older = parsers.containerd(Settings(), release)
    if older.version > parser.version:
        pytest.skip("a newer one")
    existing = shell.run(older.command("containerd", "config", "default"))
    config = folder / "config.toml"
    config.write_text(containerd.write(existing, SETTINGS["handlers"], parser.version[:2]))

    dumped, complaints = parser.dump(config)

    assert complaints == ""
    compare(SETTINGS["handlers"], containerd_read.settings(dumped), parser.version)


@pytest.mark.parametrize("name", ["systemd", "handlers", "registries", "what pods may", "for operators"])
def test_the_real_daemon_starts_cri_with_it(parser: Containerd, name: str, folder: Path) -> None:
    """CRI loads: nothing that its own validation refuses, the base specification included."""
    config, socket = private(parser, SETTINGS[name], folder)

    with parser.running(config, socket) as log:
        listed = shell.run(parser.command("ctr", "--address", socket, "plugins", "ls"))

    states = {
        line.split()[1]: line.split()[-1] for line in listed.splitlines() if "cri" in line.split()[0] + line.split()[1]
    }
    expected = {"cri"} if parser.version < (2, 0) else {"cri", "images", "runtime"}
    assert {name for name, state in states.items() if state == "ok"} >= expected, log.read_text()


def test_a_configuration_is_read_before_it_is_used(
    parser: Containerd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file: what is right is taken by every release, and what is not is told with its line."""
    program = folder / "containerd"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(parser.command("containerd"))} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(migrator_node, "FOLDERS", (str(folder),))
    text = containerd.write("", SETTINGS["registries"], parser.version[:2])

    containerd_config.read(text)

    with pytest.raises(migrator_node.NodeError, match=r"(?i)line 1|\(2, 1\)|row 1"):
        containerd_config.read("broken = [\n")


def private(parser: Containerd, settings: RuntimeSettings, folder: Path) -> tuple[Path, Path]:
    """Write the configuration with folders of its own, and what a machine like this one may need; give its socket."""
    version = parser.version[:2]
    own = {
        "root": str(folder / "root"),
        "state": str(folder / "state"),
        "cni_conf_dir": str(folder / "net.d"),
        "storage": "vfs",
    }
    spec = folder / "spec.json"
    if base_spec.known(version):
        spec.write_text(base_spec.write(shell.run(parser.command("ctr", "oci", "spec")), ULIMITS))
    settings = settings.model_copy(update={**own, "metrics_address": ""})
    document = tomlkit.parse(containerd.write("", settings, version, spec=str(spec) if spec.exists() else ""))
    socket = folder / "containerd.sock"
    document["grpc"] = {"address": str(socket)}
    runtime = "io.containerd.grpc.v1.cri" if version < (2, 0) else "io.containerd.cri.v1.runtime"
    # Without CAP_SYS_RESOURCE, as in some containers, a lower score cannot be set.
    containerd_lift.table(document, "plugins", runtime)["restrict_oom_score_adj"] = True
    config = folder / "config.toml"
    config.write_text(tomlkit.dumps(document))
    return config, socket


BLOB = b"a layer"
CONFIGURATION = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
).encode()


def digest(content: bytes) -> str:
    """Give a blob's name."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, kind: str) -> dict[str, Any]:
    """Describe a blob in a manifest."""
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(content), "size": len(content)}


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described(CONFIGURATION, "config.v1+json"),
        "layers": [described(BLOB, "layer.v1.tar")],
    }
).encode()
CONTENTS = {digest(content): content for content in (BLOB, CONFIGURATION, MANIFEST)}


class PlainRegistry(BaseHTTPRequestHandler):
    """A registry with one image, over HTTP, at whatever path it is asked; the server remembers what was asked."""

    def do_GET(self) -> None:
        """Answer with a blob, or with the manifest."""
        path = self.path.partition("?")[0]
        self.server.asked.append(path)  # type: ignore[attr-defined]
        content = CONTENTS.get(path.rpartition("/")[2], MANIFEST if path.endswith("/manifests/1") else b"")
        self.send_response(200 if content else 404)
        kind = "image.manifest.v1+json" if content == MANIFEST else "octet-stream"
        self.send_header("Content-Type", f"application/{'vnd.oci.' if content == MANIFEST else ''}{kind}")
        self.send_header("Content-Length", str(len(content)))
        if content:
            self.send_header("Docker-Content-Digest", digest(content))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[ThreadingHTTPServer]:
    """Serve one image on the loopback address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), PlainRegistry) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def mirrored(url: str, **more: Any) -> Registry:
    """Give a registry that does not exist, with one mirror."""
    return Registry(name="r.invalid", server=Endpoint(url="https://r.invalid"), mirrors=(Endpoint(url=url, **more),))


# what is written for the registry at A, which speaks HTTP only; the path that must be asked; first release
PULLS: dict[str, tuple[Any, str, tuple[int, ...]]] = {
    "a mirror": (lambda at: mirrored(f"http://{at}"), "/v2/", (1, 5)),
    "a mirror with a path": (lambda at: mirrored(f"http://{at}/hub"), "/hub/v2/", (1, 5)),
    "a mirror with a path that ends in /v2": (lambda at: mirrored(f"http://{at}/hub/v2"), "/hub/v2/v2/", (1, 5)),
    "the API at a path": (lambda at: mirrored(f"http://{at}/v2/hub", override_path=True), "/v2/hub/", (1, 6)),
    "a mirror of unknown protocol": (lambda at: mirrored(f"https://{at}", fallback_http=True), "/v2/", (1, 5)),
    "the registry itself": (lambda at: Registry(name=at, server=Endpoint(url=f"http://{at}")), "/v2/", (1, 5)),
    "the registry itself, of unknown protocol": (
        lambda at: Registry(name=at, server=Endpoint(url=f"https://{at}", fallback_http=True)), "/v2/", (1, 5),
    ),
    "a dead mirror before the registry": (
        lambda at: Registry(name=at, server=Endpoint(url=f"http://{at}"), mirrors=(Endpoint(url="http://127.0.0.1:9"),)), "/v2/", (1, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "path", "first"), PULLS.values(), ids=PULLS)
def test_the_real_client_pulls_by_our_hosts_toml(
    parser: Containerd,
    registry: ThreadingHTTPServer,
    folder: Path,
    make: Any,
    path: str,
    first: tuple[int, ...],
) -> None:
    """Containerd asks the addresses that Docker would ask, and finds the image."""
    if parser.version < first:
        pytest.skip("cannot be told")
    given = make(f"127.0.0.1:{registry.server_port}")
    for written in hosts_toml.write((given,), str(folder / "certs.d"), parser.version):
        Path(written.path).parent.mkdir(parents=True)
        Path(written.path).write_text(written.content)
    config, socket = private(parser, SETTINGS["systemd"], folder)

    with parser.running(config, socket):
        words = ["content", "fetch", "--hosts-dir", folder / "certs.d", f"{given.name}/library/x:1"]
        shell.run(parser.command("ctr", "--address", socket, *words), timeout=60)

    assert any(asked == f"{path}library/x/manifests/1" for asked in registry.asked)  # type: ignore[attr-defined]
    assert any(asked == f"{path}library/x/blobs/{digest(BLOB)}" for asked in registry.asked)  # type: ignore[attr-defined]


CLIENTS = {
    "as we write it": None,
    "one file with both": 'client = "both.pem"',
    "a list of files": 'client = ["both.pem"]',
    "a list of pairs": 'client = [["client.crt", "client.key"]]',
}


@pytest.fixture
def guarded(registry: ThreadingHTTPServer, folder: Path) -> ThreadingHTTPServer:
    """Have the registry speak TLS, and ask for a certificate of the authority that is in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file, content in {"client.crt": pem, "client.key": secret, "both.pem": pem + secret, "ca.crt": pem}.items():
        (folder / file).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "client.crt", folder / "client.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    registry.socket = context.wrap_socket(registry.socket, server_side=True)
    return registry


@pytest.mark.parametrize("written", CLIENTS.values(), ids=CLIENTS)
def test_the_real_client_shows_its_certificate(
    parser: Containerd, guarded: ThreadingHTTPServer, folder: Path, written: str | None
) -> None:
    """In each shape that `client` may have, and in the one that we write, next to the files that it names."""
    if parser.version < (1, 5):
        pytest.skip("has no hosts.toml")
    at = f"127.0.0.1:{guarded.server_port}"
    place = folder / "certs.d" / at
    place.mkdir(parents=True)
    for file in ("client.crt", "client.key", "both.pem", "ca.crt"):
        shutil.copy(folder / file, place)
    pair = (str(folder / "client.crt"), str(folder / "client.key"))
    own = Endpoint(url=f"https://{at}", ca=(str(folder / "ca.crt"),), clients=(pair,))
    (ours, *copies) = hosts_toml.write((Registry(name=at, server=own),), str(folder / "certs.d"), parser.version)
    assert {Path(copy.path).name: copy.copies for copy in copies} == {
        name: str(folder / name) for name in ("ca.crt", "client.crt", "client.key")
    }
    keys = f'capabilities = ["pull", "resolve"]\nca = "ca.crt"\n{written}\n'
    text = ours.content if written is None else f'server = "https://{at}"\n[host."https://{at}"]\n{keys}'
    (place / "hosts.toml").write_text(text)
    config, socket = private(parser, SETTINGS["systemd"], folder)

    with parser.running(config, socket):
        words = ["content", "fetch", "--hosts-dir", folder / "certs.d", f"{at}/library/x:1"]
        shell.run(parser.command("ctr", "--address", socket, *words), timeout=60)

    assert "/v2/library/x/manifests/1" in guarded.asked  # type: ignore[attr-defined]


def test_our_base_specification_has_the_limits(parser: Containerd) -> None:
    """What this release prints is a specification that we can put limits into."""
    printed = shell.run(parser.command("ctr", "oci", "spec"))

    written = json.loads(base_spec.write(printed, ULIMITS))

    assert [limit["type"] for limit in written["process"]["rlimits"]] == ["RLIMIT_CORE", "RLIMIT_NOFILE"]
    assert {**written, "process": 0} == {**json.loads(printed), "process": 0}


def test_debians_own_file_is_the_one_that_we_test_with(parser: Containerd) -> None:
    """The package's file has not changed since."""
    assert tomllib.loads((parser.folder / "etc/containerd/config.toml").read_text()) == tomllib.loads(FILES["Debian's"])
