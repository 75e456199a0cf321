"""Container images of the lab, written as OCI layouts by hand: busybox, pause, kube-proxy and a name server.

No registry on the internet is involved. The images are pushed into the lab's own registry, from
which the nodes pull as real nodes do.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import kubernetes, shell
from lab.apt import workshop
from lab.artefacts import artefact, digest
from lab.release import Release
from lab.settings import REGISTRY, SUITE, Settings

REPOSITORY = REGISTRY
"""Where kubeadm expects Kubernetes' own images."""
PAUSE = f"{REPOSITORY}/pause:3.2"
NAMES = f"{REGISTRY}/lab/names:1"
"""A name server, dnsmasq."""
BUSYBOX = f"{REGISTRY}/lab/busybox:1"
_APPLETS = (
    "sh", "ash", "sleep", "cat", "echo", "ls", "httpd", "wget", "hostname", "nc", "ps", "ip", "ping", "true",
    "false", "id", "mount", "touch", "date", "test", "head", "tail", "grep", "mkdir", "rm", "env", "kill",
)  # fmt: skip
_PACKET_FILTER = (
    "iptables", "libxtables12", "libip4tc2", "libip6tc2", "libmnl0", "libnftnl11", "libnfnetlink0",
    "libnetfilter-conntrack3", "conntrack", "libc6",
)  # fmt: skip
"""What kube-proxy runs, with the libraries of that."""
_NAME_SERVER = (
    "dnsmasq-base", "libc6", "libdbus-1-3", "libsystemd0", "libcap2", "libgcrypt20", "libgpg-error0", "liblz4-1",
    "liblzma5", "libzstd1", "libgmp10", "libhogweed6", "libnettle8", "libidn2-0", "libunistring2", "libnfnetlink0",
    "libnetfilter-conntrack3", "libmnl0", "libnftables1", "libnftnl11", "libxtables12", "libjansson4",
)  # fmt: skip
_UNNEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug", "etc/dbus-1")


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer: what each path holds, as bytes, or as a symlink's target."""

    files: dict[str, bytes]
    links: dict[str, str]


def kube_proxy(release: Release) -> str:
    """Name the image that kubeadm's kube-proxy runs."""
    return f"{REPOSITORY}/kube-proxy:{release.name}"


def layouts(settings: Settings) -> dict[str, Path]:
    """Give the OCI layout folder of each image, by the name it has in the registry."""
    folder = artefact(
        settings.cache, "images", {"suite": SUITE, "applets": " ".join(_APPLETS), "recipe": "2"},
        lambda target: _build(settings, target),
    )  # fmt: skip
    release = kubernetes.of_cluster(settings)
    proxy = artefact(
        settings.cache, "kube-proxy-image",
        {"suite": SUITE, "packages": " ".join(_PACKET_FILTER), "program": digest(release.folder / "kube-proxy"),
         "recipe": "2"},
        lambda target: _build_proxy(settings, release, target),
    )  # fmt: skip
    names = artefact(
        settings.cache, "names-image", {"suite": SUITE, "packages": " ".join(_NAME_SERVER), "recipe": "2"},
        lambda target: _build_names(settings, target),
    )  # fmt: skip
    found = {PAUSE: folder / "pause", BUSYBOX: folder / "busybox"}
    return found | {kube_proxy(release): proxy / "image", NAMES: names / "image"}


def _build(settings: Settings, folder: Path) -> None:
    with workshop(settings, "busybox") as (archive, work):
        source = archive.source("kubernetes", into=work / "source") / "build/pause/linux/pause.c"
        shell.run(["gcc", "-Os", "-static", "-s", "-o", work / "pause", source])
        pause = Layer(files={"pause": (work / "pause").read_bytes()}, links={})
        archive.unpack(["busybox-static"], into=work)
        program = (work / "bin/busybox").read_bytes()
    write_layout(folder / "pause", packed(pause), ["/pause"])
    busybox = Layer(
        files={"bin/busybox": program, "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n"},
        links={f"bin/{applet}": "busybox" for applet in _APPLETS},
    )
    write_layout(folder / "busybox", packed(busybox), ["/bin/sh"])


def _build_proxy(settings: Settings, release: Release, folder: Path) -> None:
    with _unpacked(settings, "kube-proxy-image", _PACKET_FILTER) as root:
        for name in ("iptables", "iptables-save", "iptables-restore"):
            for program in (name, name.replace("ip", "ip6", 1)):
                link = root / "usr/sbin" / program
                link.unlink(missing_ok=True)
                link.symlink_to("xtables-nft-multi")
        (root / "usr/local/bin").mkdir(parents=True)
        shutil.copy2(release.folder / "kube-proxy", root / "usr/local/bin/kube-proxy")
        _check_libraries(root, "xtables-nft-multi", "conntrack")
        write_layout(folder / "image", packed_tree(root), ["/usr/local/bin/kube-proxy"])


def _build_names(settings: Settings, folder: Path) -> None:
    with _unpacked(settings, "names-image", _NAME_SERVER) as root:
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
        _check_libraries(root, "dnsmasq")
        write_layout(folder / "image", packed_tree(root), ["/usr/sbin/dnsmasq"])


def _check_libraries(root: Path, *programs: str) -> None:
    """Raise `LabError` when one of these programs in /usr/sbin misses a library."""
    (loader,) = root.glob("lib64/ld-linux-*")
    for name in programs:
        shell.run(["chroot", root, f"/lib64/{loader.name}", "--list", f"/usr/sbin/{name}"])


@contextmanager
def _unpacked(settings: Settings, name: str, packages: Sequence[str]) -> Iterator[Path]:
    """Give a folder with packages unpacked, without what nobody runs."""
    with workshop(settings, name) as (archive, work):
        root = work / "root"
        archive.unpack(list(packages), into=root)
        for path in _UNNEEDED:
            shutil.rmtree(root / path, ignore_errors=True)
        yield root


def write_layout(folder: Path, tar: bytes, entrypoint: list[str]) -> None:
    """Write a single-layer image as an OCI layout, the same bytes for the same input."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer_blob = _blob(blobs, tar, "application/vnd.oci.image.layer.v1.tar")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer_blob["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [layer_blob],
    }
    entry = _blob(blobs, json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _blob(blobs: Path, data: bytes, media_type: str) -> dict[str, str | int]:
    name = hashlib.sha256(data).hexdigest()
    (blobs / name).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}


def packed_tree(root: Path) -> bytes:
    """Pack a folder as a layer, the same bytes for the same content."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(root)), recursive=False, filter=plain)
    return buffer.getvalue()


def packed(layer: Layer) -> bytes:
    """Pack a layer, the same bytes for the same content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folders = {str(parent) for path in (*layer.files, *layer.links) for parent in Path(path).parents} - {"."}
        for name in sorted(folders | {"tmp", "proc", "sys", "dev"}):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for name, data in sorted(layer.files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if name.startswith(("bin/", "pause")) else 0o644
            tar.addfile(entry, io.BytesIO(data))
        for name, target in sorted(layer.links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()
