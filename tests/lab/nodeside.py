"""A lone node of the lab on which this project's node-side code runs as Ansible runs it: real modules, a real systemd."""

from __future__ import annotations

import hashlib
import io
import json
import os
import py_compile
import shlex
import signal
import stat
import subprocess
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import ansible

from lab import images, waiting
from lab.lone import FLAGS, Lone
from migrator import data_files
from migrator.cri import ContainerSpec, Runtime, SandboxSpec
from migrator.cri.client import connect

MODULES = "/run/modules.zip"
JOURNALS = "/var/lib/migrator/transactions"
UNIT = "migrator-switch.service"
CONFIG = "/etc/containerd/config.toml"
HOSTS = "/etc/containerd/certs.d/registry.lab:5000/hosts.toml"
"""A file whose folders the switch makes."""
SOCKET = "/run/containerd/containerd.sock"
AT_BOOT = ("containerd.service", "docker.service", "docker.socket", "kubelet.service")
KEPT = ("etc", "var/lib/kubelet")
"""Folders whose files are put back between tests."""
START = """\
import importlib, json, os, runpy, sys

name = sys.argv.pop(1)
for place, value in json.loads(os.environ.get("LIMITS", "{}")).items():
    module, _, constant = place.partition(".")
    setattr(importlib.import_module("ansible.module_utils." + module), constant, value)
call, _, number = os.environ.get("FAILS", "").partition(" ")
ends, call = call.startswith("!"), call.lstrip("!")
if call:
    real, count = getattr(os, call), [0]

    def fails(*given, **more):
        count[0] += 1
        if count[0] == int(number) and ends:
            os.kill(os.getpid(), 9)
        if count[0] == int(number):
            raise OSError(5, os.strerror(5))
        return real(*given, **more)

    setattr(os, call, fails)
runpy.run_module("ansible.modules." + name, run_name="__main__", alter_sys=True)
"""
"""Starts a module of the archive, with shorter limits where some are given, or with one call of `os` that fails, or kills it ("!")."""
CONFIGURED = f"""\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"""
FLAGGED = (
    f'KUBELET_KUBEADM_ARGS="--network-plugin=cni --pod-infra-container-image={images.PAUSE} '
    f'--container-runtime=remote --container-runtime-endpoint=unix://{SOCKET}"\n'
)
PLACED = 'server = "https://registry.lab:5000"\n'
COMMAND = (
    "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf", "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "--config=/var/lib/kubelet/config.yaml", "--network-plugin=cni", f"--pod-infra-container-image={images.PAUSE}",
)  # fmt: skip
REMOTE = ("--container-runtime=remote", f"--container-runtime-endpoint=unix://{SOCKET}")
LAST = ("--cni-bin-dir=/usr/lib/cni",)
OLD: dict[str, Any] = {
    "changed": [], "kubelet": [*COMMAND, *LAST], "in Docker": [], "in containerd": [], "at boot": list(AT_BOOT),
    "until boot": [],
}  # fmt: skip
"""The state of the node before a switch, and after one that was undone."""
NEW: dict[str, Any] = {
    **OLD, "kubelet": [*COMMAND, *REMOTE, *LAST],
    "changed": sorted([str(Path(HOSTS).parent.parent), str(Path(HOSTS).parent), HOSTS, CONFIG, FLAGS]),
}  # fmt: skip
TIDY = f"""
systemctl kill -s KILL {UNIT} 2>/dev/null || true
rm -rf /usr/local/sbin/* /usr/local/bin/* /run/kubelet-is-sick /var/log/pods /run/driven /run/systemd/system/{UNIT}*
rm -rf /fill* /run/systemd/system/kubelet.service.d /run/systemd/system/docker.service.d /var/lib/migrator
systemctl daemon-reload
systemctl stop {UNIT} kubelet 2>/dev/null || true
systemctl reset-failed
systemctl restart containerd
systemctl start docker.socket docker
docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null
for name in $(ctr -n k8s.io tasks list -q); do ctr -n k8s.io tasks delete --force $name >/dev/null 2>&1 || true; done
for name in $(ctr -n k8s.io containers list -q); do ctr -n k8s.io containers delete $name; done
for path in /run/netns/cni-*; do umount $path 2>/dev/null || true; rm -f $path; done
rm -rf /var/lib/cni /var/log/kubelet-starts
systemctl start kubelet
"""


def roles() -> Path:
    """Give the folder of roles that is tried: this checkout's, or what MIGRATOR_ROLES names."""
    named = os.environ.get("MIGRATOR_ROLES")
    return Path(named) if named else data_files.folder("roles")


@cache
def archive(folder: Path) -> bytes:
    """Pack all modules of these roles, with what Ansible would send with them, and as this Python compiles them.

    Where the node's Python is of another minor, it takes the sources.
    """
    packed = io.BytesIO()
    core = Path(ansible.__file__).parent
    files = {f"ansible/{path.relative_to(core)}": path for path in core.glob("module_utils/**/*.py")}
    files["ansible/release.py"] = core / "release.py"
    files |= {f"ansible/module_utils/{path.name}": path for path in folder.glob("*/module_utils/*.py")}
    files |= {f"ansible/modules/{path.name}": path for path in folder.glob("*/library/*.py")}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target, tempfile.NamedTemporaryFile() as compiled:
        for name, path in files.items():
            target.writestr(name, path.read_bytes())
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(path), compiled.name, name, doraise=True, invalidation_mode=mode)
            target.writestr(f"{name}c", Path(compiled.name).read_bytes())
        target.writestr("ansible/__init__.py", "from ansible.release import __author__, __version__\n")
        target.writestr("ansible/modules/__init__.py", "")
        target.writestr("__main__.py", START)
    return packed.getvalue()


def digest(text: str) -> str:
    """Hash a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


class Kept(NamedTuple):
    """What a file is."""

    content: bytes
    """A link's target for a link; nothing for a folder."""
    mode: int
    uid: int
    gid: int


class Node:
    """The node, and what tests ask of it."""

    def __init__(self, lone: Lone) -> None:
        """Take one whose kubelet is well on Docker."""
        self.lone = lone
        self.at, self.do, self.run = lone.at, lone.do, lone.run
        self.base = self.tree()
        self.do("systemctl stop kubelet; rm -f /var/log/kubelet-starts; systemctl start kubelet")

    # Modules.

    def command(self, module: str, *, limits: Mapping[str, float] | None = None, fails: str = "") -> list[str]:
        """Give the command that runs a module there, for somebody who gives it its arguments."""
        self.at(MODULES).write_bytes(archive(roles()))
        words = ["env", f"LIMITS={json.dumps(limits or {})}", f"FAILS={fails}", "LC_ALL=C.UTF-8"]
        return [
            "nsenter", "--target", str(self.lone.pid), "--all", "env", "-i", "PATH=/usr/bin:/bin", *words,
            "/usr/bin/python3", "-B", MODULES, module,
        ]  # fmt: skip

    def begin(self, module: str, arguments: Mapping[str, Any], **more: Any) -> subprocess.Popen[str]:
        """Start a module; its answer is read by `ended`."""
        pipe = subprocess.PIPE
        words = self.command(module, **more)
        process = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd="/", start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments)}))
        process.stdin.close()
        process.stdin = None
        return process

    def ask(self, module: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run a module; give what it answers, without what it was asked."""
        more = {name: arguments.pop(name) for name in ("limits", "fails") if name in arguments}
        return ended(self.begin(module, {**arguments, "_ansible_check_mode": check}, **more))

    # The switch.

    def request(self, **update: Any) -> dict[str, Any]:
        """Give what the control host asks for."""
        return {
            "files": self.files(), "socket": SOCKET, "plugins": [], "stale_addresses": [],
            "arguments": [*COMMAND, *REMOTE, *LAST], "about": {"source": "docker://20.10.24"},
            "transaction": "t", **update,
        }  # fmt: skip

    def files(self, **texts: str) -> list[dict[str, Any]]:
        """Describe the files to write, some with other texts."""
        return [
            self.file(CONFIG, texts.get("config", CONFIGURED)),
            self.file(FLAGS, texts.get("flags", FLAGGED), mode="0640", owner="4711", group="4712"),
            self.file(HOSTS, texts.get("hosts", PLACED)),
        ]

    def file(self, path: str, content: str, *, mode: str = "0644", owner: str = "root", group: str = "root") -> Any:
        """Describe a file to write."""
        known = self.base.get(path)
        return {
            "path": path, "content": b64encode(content.encode()).decode(), "mode": mode, "owner": owner,
            "group": group, "sha256": digest(content),
            "replaces": hashlib.sha256(known.content).hexdigest() if known else "",
        }  # fmt: skip

    def forth(self, **more: Any) -> dict[str, Any]:
        """Ask for the new runtime."""
        return self.ask("node_switch", state="new", **self.request(**more))

    def back(self, **more: Any) -> dict[str, Any]:
        """Ask for the old one."""
        return self.ask("node_switch", state="old", **self.request(**more))

    def journal(self, name: str = "t") -> list[dict[str, Any]]:
        """Read a switch's journal."""
        path = self.at(f"{JOURNALS}/{name}/journal.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def actions(self, name: str = "t") -> list[str]:
        """Name its lines."""
        return [line["action"] for line in self.journal(name)]

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Give properties of a unit, as systemd has them in force."""
        told = self.do(f"systemctl show {unit} --property={','.join(names)}")
        return dict(line.partition("=")[::2] for line in told.splitlines())

    def enabled(self, unit: str) -> bool:
        """Tell whether a unit starts at boot."""
        return self.run(f"systemctl is-enabled -q {unit}").returncode == 0

    def active(self, unit: str) -> bool:
        """Tell whether a unit runs."""
        return self.run(f"systemctl is-active -q {unit}").returncode == 0

    def words(self, unit: str = "kubelet") -> list[str]:
        """Give the command line that a service runs with; nothing when it does not run."""
        pid = self.show(unit, "MainPID")["MainPID"]
        return self.at(f"/proc/{pid}/cmdline").read_text().split("\0")[1:-1] if pid != "0" else []

    def starts(self) -> list[str]:
        """Give for which runtime the kubelet was started, each time since right before the test."""
        path = self.at("/var/log/kubelet-starts")
        return path.read_text().split() if path.exists() else []

    def state(self) -> dict[str, Any]:
        """Describe what a switch changes."""
        now = self.tree()
        return {
            "changed": sorted(path for path in {*now, *self.base} if now.get(path) != self.base.get(path)),
            "kubelet": self.words(),
            "in Docker": sorted(self.do("docker ps --all --format '{{.Names}}'").split()),
            "in containerd": sorted(self.do("ctr -n k8s.io containers list -q").split()),
            "at boot": [unit for unit in AT_BOOT if self.enabled(unit)],
            "until boot": sorted(self.do("find /run/systemd/system -name '*migrator*'").split()),
        }

    def tree(self) -> dict[str, Kept]:
        """Give every file, link and folder that is put back."""
        root = str(self.at("/")).rstrip("/")
        found = {}
        for top in KEPT:
            for folder, names, files in os.walk(f"{root}/{top}"):
                for name in (*names, *files):
                    path = f"{folder}/{name}"
                    kept = _kept(path)
                    if kept:
                        found[path.removeprefix(root)] = kept
        return found

    def lexists(self, path: str) -> bool:
        """Tell whether there is something of that name, be it a link to nothing."""
        return os.path.lexists(self.at(path))

    # Containers.

    def docker_pod(self, name: str = "web", *, grace: str = "", end: str = "exit 0", labels: str = "") -> list[str]:
        """Run a pod as dockershim does; give the ids of its container and its sandbox."""
        uid = f"--label io.kubernetes.pod.uid={name}-uid --cgroup-parent /kubepods/burstable/pod{name} {labels}"
        known = (
            f"--label io.kubernetes.pod.namespace=shop --label io.kubernetes.pod.name={name} "
            f"--label io.kubernetes.container.name=main "
        )
        known += f"--label annotation.io.kubernetes.pod.terminationGracePeriod={grace}" if grace else ""
        return self.do(
            f"docker run -d --name {name}-sandbox --network none {uid} "
            f"--label io.kubernetes.docker.type=podsandbox {images.PAUSE} >/run/sandbox\n"
            f"docker run -d --name {name} --network container:{name}-sandbox {uid} {known} {images.BUSYBOX} "
            f"-c 'trap \"{end}\" TERM; while :; do sleep 1 & wait $!; done'\n"
            "cat /run/sandbox\n"
        ).split()

    def foreign(self, name: str = "foreign", more: str = "") -> str:
        """Run somebody's own container in Docker; give its id."""
        return self.do(
            f"docker run -d --name {name} {more} {images.BUSYBOX} -c 'trap \"exit 0\" TERM; sleep 1000000 & wait'"
        ).strip()

    @contextmanager
    def cri(self) -> Iterator[Runtime]:
        """Speak CRI to its containerd."""
        client = connect(str(self.at(SOCKET)))
        try:
            yield client
        finally:
            client.close()

    def cri_pod(self, name: str = "fresh") -> tuple[str, str]:
        """Run a pod in containerd, as a kubelet does; give the ids of its sandbox and its container."""
        spec = SandboxSpec(
            name=name, namespace="shop", uid=f"{name}-uid", cgroup_parent=f"/kubepods/burstable/pod{name}",
            log_directory=f"/var/log/pods/{name}",
        )  # fmt: skip
        with self.cri() as client:
            sandbox = client.run_sandbox(spec)
            wanted = ContainerSpec(name="main", image=images.BUSYBOX, args=("-c", "sleep 1000000 & wait"))
            container = client.create_container(sandbox, spec, wanted)
            client.start_container(container)
        return sandbox, container

    # Faults.

    def wrap(self, program: str, script: str) -> None:
        """Put a script where the node's programs are looked for first; `real` in it is the program itself."""
        real = self.do(f"command -v {program}").strip()
        path = self.at(f"/usr/local/sbin/{program}")
        path.write_text(f'#!/bin/sh\nreal={real}\n{script}\nexec $real "$@"\n')
        path.chmod(0o755)

    def fill(self, *, spare: int = 0) -> None:
        """Fill its disk, but for so many bytes: root may use what others may not."""
        self.do(f"fallocate -l $(($(stat -f -c %f /) * $(stat -f -c %S /) - {64 * 2**20})) /fill")
        self.run("cat /dev/zero > /fill-the-rest")
        self.do(f"truncate -s -{spare} /fill-the-rest")

    def empty(self) -> None:
        """Take that away."""
        self.do("rm -f /fill*")

    def unwrap(self) -> None:
        """Take all such scripts away."""
        self.do("rm -f /usr/local/sbin/*")

    def until(self, script: str, what: str, *, seconds: float = 30) -> None:
        """Return when a script succeeds there."""
        waiting.until(lambda: self.run(script).returncode == 0, what, seconds=seconds, every=0.05)

    # Between tests.

    def tidy(self) -> None:
        """Make it what it was."""
        self.run("chattr -R -ia /etc /var/lib/kubelet 2>/dev/null")
        now, root = self.tree(), str(self.at("/")).rstrip("/")
        for path in sorted(set(now) - set(self.base), reverse=True):
            place = Path(root + path)
            place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink(missing_ok=True)
        for path, kept in sorted(self.base.items()):
            if now.get(path) != kept:
                _make(root + path, kept)
        self.do(
            TIDY + f"docker image inspect {images.BUSYBOX} >/dev/null; ctr -n k8s.io images list -q | grep -q busybox\n"
        )
        assert self.words() == [*COMMAND, *LAST]


def lose(process: subprocess.Popen[str]) -> None:
    """Kill a module, as the end of its connection does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Give what a module answers, without what it was asked."""
    out, err = process.communicate(timeout=240)
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError as error:
        raise AssertionError(f"the module said {shlex.quote(out)}, {err}") from error
    return {name: value for name, value in found.items() if name not in {"invocation", "exception"}}


def _kept(path: str) -> Kept | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return Kept(os.fsencode(Path(path).readlink()), 0o120777, 0, 0)
    content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return Kept(content, status.st_mode, status.st_uid, status.st_gid)


def _make(path: str, kept: Kept) -> None:
    place = Path(path)
    if stat.S_ISDIR(kept.mode):
        place.mkdir(exist_ok=True)
    else:
        place.unlink(missing_ok=True)
        if stat.S_ISLNK(kept.mode):
            place.symlink_to(os.fsdecode(kept.content))
            return
        place.write_bytes(kept.content)
    os.chown(path, kept.uid, kept.gid)
    place.chmod(stat.S_IMODE(kept.mode))
