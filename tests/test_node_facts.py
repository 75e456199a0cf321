"""The node-side inspection: its readers by tables, and the whole of it on a host made of files."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import http.server
import importlib
import json
import os
import socket
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import ansible.module_utils
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from migrator import data_files
from migrator.model.facts import SCHEMA, Component, NodeFacts, Transaction

# Ansible finds a role's module_utils by itself; a test does it this way.
ansible.module_utils.__path__.append(str(data_files.folder("roles") / "inspect" / "module_utils"))


def part(name: str) -> ModuleType:
    """Import a part of the inspection."""
    return importlib.import_module(f"ansible.module_utils.migrator_inspect_{name}")


def library() -> ModuleType:
    """Import the module itself."""
    path = data_files.folder("roles") / "inspect" / "library" / "node_facts.py"
    spec = importlib.util.spec_from_file_location("node_facts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


containerd, credentials, crio, docker = part("containerd"), part("credentials"), part("crio"), part("docker")
files, history, host, kubelet = part("files"), part("history"), part("host"), part("kubelet")
network, packages, programs, registries = part("network"), part("packages"), part("programs"), part("registries")
secrets, toml, trees, units = part("secrets"), part("toml"), part("tree"), part("units")
node_facts = library()

Tree = trees.Tree


def hashed(secret: str) -> str:
    """Give what stands in for a secret."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16]


def put(root: Path, contents: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder; a name that ends with "!" is a program."""
    for name, content in contents.items():
        path = root / name.lstrip("/").rstrip("!")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if name.endswith("!"):
            path.chmod(0o755)
    return root


# systemd and processes.

SHOW = """\
Id=docker.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
FragmentPath=/lib/systemd/system/docker.service
DropInPaths=/etc/systemd/system/docker.service.d/a.conf /etc/systemd/system/docker.service.d/b.conf
EnvironmentFiles=/etc/default/docker (ignore_errors=yes)
EnvironmentFiles=/etc/my docker (ignore_errors=no)
MainPID=42
ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; ignore_errors=no ; pid=42 }
Requires=system.slice docker.socket
BindsTo=containerd.service
Requisite=docker.socket
PartOf=corp.target
StopPropagatedFrom=
Wants=network-online.target containerd.service
KillMode=process

Id=kubelet.service
LoadState=not-found
ActiveState=inactive
MainPID=0
"""


def test_a_unit_is_what_its_process_runs_with(tmp_path: Path) -> None:
    """Files in systemd's order, the real command line, proxies and limits; secrets hidden."""
    put(
        tmp_path,
        {
            "proc/42/cmdline": "/usr/sbin/dockerd\0-H\0fd://\0--registry-mirror=http://u:pw@m\0\0",
            "proc/42/environ": "PATH=/bin\0HTTP_PROXY=http://u:pw@p:1\0no_proxy=localhost\0SECRET=x\0",
            "proc/42/limits": LIMITS,
        },
    )
    (tmp_path / "proc/42/exe").symlink_to("/usr/sbin/dockerd (deleted)")

    assert units.unit_fact(Tree(str(tmp_path)), units.parse(SHOW), "docker.service") == {
        "name": "docker.service",
        "active": True,
        "enabled": True,
        "fragments": [
            "/lib/systemd/system/docker.service",
            "/etc/systemd/system/docker.service.d/a.conf",
            "/etc/systemd/system/docker.service.d/b.conf",
        ],
        "environment_files": ["/etc/default/docker", "/etc/my docker"],
        "arguments": ["-H", "fd://", f"--registry-mirror=http://{hashed('u:pw')}@m", ""],
        "program": "/usr/sbin/dockerd",
        "environment": {"HTTP_PROXY": f"http://{hashed('u:pw')}@p:1", "no_proxy": "localhost"},
        "requires": ["containerd.service", "docker.socket", "system.slice"],
        "stops_with": ["corp.target"],
        "wants": ["containerd.service", "network-online.target"],
        "kill_mode": "process",
        "limits": {"core": "0:-1", "nproc": "96365:96365", "nofile": "1024:524288", "memlock": "8388608:8388608"},
    }
    assert units.unit_fact(Tree(str(tmp_path)), units.parse(SHOW), "kubelet.service") == {"name": "kubelet.service"}
    assert units.start_words(units.parse(SHOW), "docker.service")[1:3] == ["-H", "fd://"]


NEEDED = """\
Id=docker.service
LoadState=loaded
TriggeredBy=docker.socket docker-tcp.socket night.timer
RequiredBy=ci.service
BoundBy=
ConsistsOf=docker.socket
WantedBy=multi-user.target agent.service

Id=docker.socket
LoadState=loaded
Listen=/run/docker.sock (Stream)
RequiredBy=docker.service
WantedBy=sockets.target ci.service
"""
MORE = {
    "systemd 252": "Id=docker-tcp.socket\nListen=[::]:2375 (Stream)\nListen=vsock::2375 (Stream)\n\nId=night.timer\n",
    "systemd 219": "Id=docker-tcp.socket\nListenStream=[::]:2375\nListenStream=vsock::2375\n\nId=night.timer\n",
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_units_that_need_docker_or_start_it_are_named(tmp_path: Path, more: str) -> None:
    """Without Docker's own and without targets; a second question is asked only where there are others."""
    put(tmp_path, {"bin/systemctl!": f"#!/bin/sh\necho \"$*\" > {tmp_path}/asked\ncat <<'END'\n{more}END\n"})
    tree, known = Tree(str(tmp_path)), units.parse(NEEDED)
    known.update(units.parse(units.ask_triggers(tree, known).answer().out))

    assert (tmp_path / "asked").read_text().split()[-2:] == ["docker-tcp.socket", "night.timer"]
    assert units.users_of_docker(known) == {
        "starters": {
            "docker.socket": ["/run/docker.sock"],
            "docker-tcp.socket": ["[::]:2375", "vsock::2375"],
            "night.timer": [],
        },
        "needing": ["ci.service"],
        "wanting": ["agent.service"],
    }
    assert units.ask_triggers(tree, units.parse(NEEDED.replace("docker-tcp.socket night.timer", ""))) is None
    assert units.users_of_docker({}) == {"starters": {}, "needing": [], "wanting": []}


LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max core file size        0                    unlimited            bytes
Max processes             96365                96365                processes
Max open files            1024                 524288               files
Max locked memory         8388608              8388608              bytes
Max nice priority         0                    0
"""


@pytest.mark.parametrize(
    ("text", "name", "paths"),
    [
        ("EnvironmentFile=/etc/default/kubelet (ignore_errors=yes)", "old systemd", ["/etc/default/kubelet"]),
        ("EnvironmentFiles=", "none", []),
        (
            "EnvironmentFiles=/etc/kubelet/*.env (ignore_errors=yes)",
            "pattern",
            ["/etc/kubelet/a.env", "/etc/kubelet/b.env"],
        ),
        ("EnvironmentFiles=/etc/no/*.env (ignore_errors=yes)", "pattern of nothing", ["/etc/no/*.env"]),
    ],
)
def test_environment_files_are_found(tmp_path: Path, text: str, name: str, paths: list[str]) -> None:
    """By both of systemd's names for them, patterns resolved."""
    put(tmp_path, {"etc/kubelet/b.env": "", "etc/kubelet/a.env": ""})

    assert units.environment_files(Tree(str(tmp_path)), units.parse(f"Id=x\n{text}")["x"]) == paths, name


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--config=/a"], "/a"),
        (["--config", "/a", "--v=2"], "/a"),
        (["-config=/a"], "/a"),
        (["--config=/a", "--config=/b"], "/b"),
        (["config=/a"], ""),
        (["--config"], ""),
        ([], ""),
    ],
)
def test_options_are_read(words: list[str], value: str) -> None:
    """With one or two dashes, with = or in the next word; the last one counts."""
    assert units.option(words, "config") == value


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Kubernetes v1.20.2", "1.20.2"),
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", "1.6.20"),
        ("containerd github.com/containerd/containerd/v2 v2.1.0-rc.1 061792f0ecf3", "2.1.0"),
        ("containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da", "1.7.27"),
        ("runc version 1.1.5+ds1\ncommit: 1.1.5\nspec: 1.0.2-dev\ngo: go1.19.8", "1.1.5"),
        ("crun version 1.21\ncommit: 10269840aa07fb7e6b7e1acff6198692d8ff5c88\nspec: 1.0.0", "1.21"),
        ("cri-dockerd 0.3.4 (e88b1605)", "0.3.4"),
        ("crio version 1.28.0\nVersion:        1.28.0\nGoVersion: go1.20", "1.28.0"),
        ("no idea", ""),
    ],
)
def test_versions_are_read(said: str, version: str) -> None:
    """The first number that a program prints."""
    assert programs.Answer(0, said).version == version
    assert not programs.Answer(1, said).version


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    """Neither it nor one that is missing or broken keeps the inspection up."""
    put(tmp_path, {"bin/hangs!": "#!/bin/sh\nexec sleep 600\n", "bin/broken!": "\x7fELF"})
    tree = Tree(str(tmp_path))
    answers = [
        programs.Program(tree, [path], seconds=0.2).answer() for path in ("/bin/hangs", "/bin/broken", "/bin/no", "")
    ]

    assert [answer.code for answer in answers] == [124, 127, 127, 127]


# The host.


@pytest.mark.parametrize(
    ("mounts", "cgroup"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0", "v2"),
        ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0", "v1"),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0", "hybrid"),
        ("cgroup2 /run/other cgroup2 rw 0 0", ""),
        ("", ""),
    ],
)
def test_the_cgroup_hierarchy_is_told(mounts: str, cgroup: str) -> None:
    """By what is mounted where systemd mounts it."""
    assert host.cgroup(host.parse_mounts(mounts)) == cgroup


@pytest.mark.parametrize(
    ("files", "built_in"),
    [
        ({"/lib/modules/6.1/modules.builtin": "kernel/fs/overlayfs/overlay.ko\nkernel/net/x.ko\n"}, ["overlay"]),
        ({"/lib/modules/6.2/modules.builtin": "kernel/fs/overlayfs/overlay.ko\n"}, []),
        ({"/proc/filesystems": "nodev\toverlay\n", "/proc/modules": "overlay 1 0 - Live 0x0\n"}, []),
        ({"/proc/filesystems": "nodev\toverlay\n", "/proc/modules": "nf_x 1 0 - Live 0x0\n"}, ["overlay"]),
        ({"/proc/filesystems": "nodev\toverlay\n", "/proc/sys/net/bridge/bridge-nf-call-iptables": "1\n"}, ["br_netfilter", "overlay"]),
        ({"/proc/filesystems": "\text4\n"}, []),
    ],
    ids=["listed", "listed for another kernel", "loaded", "there, and not loaded", "a kernel without modules", "absent"],
)  # fmt: skip
def test_parts_of_the_kernel_are_known(files: dict[str, str], built_in: list[str], tmp_path: Path) -> None:
    """By the kernel's own list, and by what works without having been loaded; nothing has to load them."""
    assert host.built_in(Tree(str(put(tmp_path, files))), "6.1") == built_in


def test_modules_that_nothing_loads_are_known() -> None:
    """Those that the kernel's command line refuses cannot be loaded."""
    cmdline = "quiet module_blacklist=br-netfilter,nouveau modprobe.blacklist=floppy blacklist=x\n"
    assert host.refused_modules(cmdline) == ["br_netfilter", "floppy", "nouveau"]


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/var/lib/docker", ("/var/lib/docker", "xfs")),
        ("/var/lib/docker/x", ("/var/lib/docker", "xfs")),
        ("/var/lib/docker2", ("/", "ext4")),
        ("/data disk/x", ("/data disk", "btrfs")),
        ("/", ("/", "ext4")),
    ],
)
def test_a_folder_is_on_the_nearest_mount(path: str, mount: tuple[str, str]) -> None:
    """The last mount on a point hides those before it."""
    text = (
        "a / rootfs rw\nb / ext4 rw\nc /var/lib/docker ext4 rw\nd /var/lib/docker xfs rw\ne /data\\040disk btrfs rw\n"
    )

    assert host.mount_of(path, host.parse_mounts(text)) == mount


def test_addresses_are_those_of_the_host() -> None:
    """Without loopback, broadcast and link-local ones, each once."""
    trie = (
        "Main:\n  |-- 10.0.2.15\n     /32 host LOCAL\nLocal:\n  |-- 10.0.2.15\n     /32 host LOCAL\n"
        "  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 10.0.2.255\n     /32 link BROADCAST\n"
    )
    six = (
        "00000000000000000000000000000001 01 80 10 80 lo\nfe8000000000000000fc00fffe000001 04 40 20 80 eth0\n"
        "fd000000000000000000000000000002 04 40 00 82 eth0\nrubbish\n"
    )

    assert host.addresses(trie, six) == ["10.0.2.15", "fd00::2"]


def test_os_release_is_read() -> None:
    """With any quotes; comments and rubbish are left out."""
    text = '# c\nPRETTY_NAME="Debian \\"12\\""\nID=debian\nVERSION_ID=\'12\'\nEMPTY=\nrubbish\n'

    assert host.os_release(text) == {"PRETTY_NAME": 'Debian "12"', "ID": "debian", "VERSION_ID": "12", "EMPTY": ""}


@pytest.mark.parametrize(
    ("texts", "policy"),
    [
        (["-P FORWARD DROP\n-A FORWARD -j KUBE-FORWARD\n"], "DROP"),
        (["-P FORWARD ACCEPT\n"], "ACCEPT"),
        (["-P FORWARD ACCEPT\n", "-P FORWARD DROP\n"], "DROP"),
        ([""], ""),
        ([], ""),
    ],
)
def test_the_forward_policy_is_read(texts: list[str], policy: str) -> None:
    """The kernel applies both flavours of iptables, so one that drops is enough."""
    assert host.forward_policy(texts) == policy


# The kubelet.


@pytest.mark.parametrize(
    ("want", "unit", "contents", "extra"),
    [
        ("kubeadm", {"environment_files": [kubelet.KUBEADM_ENV]}, {kubelet.KUBEADM_ENV: ""}, ""),
        ("kubeadm", {"fragments": ["/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"]}, {kubelet.KUBEADM_ENV: ""}, ""),
        ("other", {"environment_files": [kubelet.KUBEADM_ENV]}, {}, ""),
        ("kubespray", {"environment_files": [kubelet.KUBESPRAY_ENV]}, {kubelet.KUBEADM_ENV: ""}, ""),
        ("kops", {"environment_files": ["/etc/sysconfig/kubelet"]}, {"/etc/sysconfig/kubelet": 'DAEMON_ARGS="--v=2"'}, ""),
        ("kops", {}, {}, "kops-configuration.service"),
        ("k3s", {}, {}, "k3s-agent.service"),
        ("k3s", {}, {"/var/lib/rancher/k3s/agent/x": ""}, ""),
        ("rke2", {}, {"/var/lib/rancher/rke2/agent/x": "", "/var/lib/rancher/k3s/agent/x": ""}, ""),
        ("k0s", {}, {}, "k0sworker.service"),
        ("microk8s", {}, {}, "snap.microk8s.daemon-kubelite.service"),
        ("rke", {}, {}, "rancher/hyperkube:v1.20.4-rancher1"),
        ("rke", {}, {}, "registry.corp:5000/rancher/hyperkube:v1.20.4-rancher1"),
        ("rke", {}, {}, "registry.corp/rke/hyperkube:v1.20.4-rancher1"),
        ("other", {"active": True}, {}, "quay.io/coreos/hyperkube:v1.10.5_coreos.0"),
        ("other", {"active": True}, {"/var/lib/rancher/k3s/agent/x": ""}, ""),
        ("other", {}, {}, ""),
    ],
)  # fmt: skip
def test_who_set_a_node_up_is_told(
    tmp_path: Path, want: str, unit: dict[str, Any], contents: dict[str, str], extra: str
) -> None:
    """By where the kubelet's arguments live; an active kubelet beats folders that something else left."""
    tree = Tree(str(put(tmp_path, contents)))
    known = {extra: {"LoadState": ["loaded"]}}
    containers = [{"name": "kubelet", "running": True, "image": extra}] if "hyperkube" in extra else []

    assert kubelet.installation(tree, unit, known, containers) == want


CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBRjCB7AIUL9OAZ0Q64w/QA6U2F0bwYJ7pNNIwCgYIKoZIzj0EAwIwFTETMBEG
A1UEAwwKa3ViZXJuZXRlczAeFw0yNjExMjEyMzMwNThaFw0zNjExMTgyMzMwNTha
MDYxFTATBgNVBAoMDHN5c3RlbTpub2RlczEdMBsGA1UEAwwUc3lzdGVtOm5vZGU6
d29ya2VyLTEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQp45tsnUGrRfOxEcYE
Qa5e5NsMVO49fNWZw8tI5OsqqF5kDCNmanIJJEgAU2+fS7qjNLovHt3oVKNbnL4j
iPLTMAoGCCqGSM49BAMCA0kAMEYCIQDjFMgM/zAgoZ/T5Yp24Tu1wE1nosN+rSsH
I/SjzzQzaAIhANeU9u71goIZ6kfhM0V3aDj4vb8uYSQkSzpgBAJztctu
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("kubeconfig", "user"),
    [
        ("users:\n- name: x\n  user:\n    client-certificate: /pki/client.pem\n    client-key: /pki/client.pem\n", "system:node:worker-1"),
        (f"    client-certificate-data: {base64.b64encode(CERTIFICATE.encode()).decode()}\n", "system:node:worker-1"),
        ("    client-certificate: '/pki/client.pem'\n", "system:node:worker-1"),
        ("    client-certificate: /pki/none.pem\n", ""),
        ("    client-certificate: /pki/broken.pem\n", ""),
        ("    client-certificate-data: aGVsbG8=\n", ""),
        ("    client-certificate-data: AAA\n", ""),
        ("    token: abc\n", ""),
    ],
)  # fmt: skip
def test_the_kubelets_user_is_its_certificates(tmp_path: Path, kubeconfig: str, user: str) -> None:
    """The common name of the subject, not of the authority; "" for anything that is no certificate."""
    broken = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(b'0' * 40).decode()}\n-----END CERTIFICATE-----\n"
    put(tmp_path, {"k.conf": kubeconfig, "pki/client.pem": CERTIFICATE, "pki/broken.pem": broken})

    assert kubelet.user_of(Tree(str(tmp_path)), ["--kubeconfig=/k.conf"]) == user


# Docker and registries.


def test_insecure_registries_and_plain_mirrors_are_asked() -> None:
    """Those that Docker reaches unchecked, without the ones that it checks, without a password."""
    info = {
        "RegistryConfig": {
            "IndexConfigs": {"docker.io": {"Secure": True}, "r:5000": {"Secure": False}},
            "Mirrors": ["http://u:p@m:80/path/", "https://safe/", "http://r:5000/"],
        }
    }

    assert docker.insecure_hosts(info) == ["m:80", "r:5000"]
    assert docker.insecure_hosts({}) == []


@pytest.mark.parametrize(
    ("words", "told", "sockets", "children", "want"),
    [
        (["--containerd=/run/x.sock"], {}, [], [], ("/run/x.sock", False)),
        (["-H", "fd://"], {"Containerd": {"Address": "/run/y.sock"}}, [], [], ("/run/y.sock", False)),
        (["-H", "fd://"], {}, ["run/containerd/containerd.sock"], [], (docker.SYSTEM_CONTAINERD, False)),
        (["-H", "fd://"], {}, [], ["containerd\0--config\0/var/run/docker/containerd/containerd.toml"],
         ("/var/run/docker/containerd/containerd.sock", True)),
        (["-H", "fd://"], {}, [], ["/usr/bin/containerd"], ("", False)),
        ([], {}, [], [], ("", False)),
    ],
)  # fmt: skip
def test_dockers_containerd_is_found(
    tmp_path: Path,
    words: list[str],
    told: dict[str, Any],
    sockets: list[str],
    children: list[str],
    want: tuple[str, bool],
) -> None:
    """As Docker says or was told, else its own child, else the system's."""
    put(tmp_path, {f"proc/{100 + number}/cmdline": command for number, command in enumerate(children)})
    tree, unit = Tree(str(tmp_path)), {"arguments": words}
    kept = [listen(tmp_path / path) for path in sockets]
    own = docker.embedded(tree, unit)

    assert (docker.containerd_of(tree, told, unit, own), own) == want
    for one in kept:
        one.close()


def listen(path: Path) -> socket.socket:
    """Make a socket in the filesystem."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may have 107 bytes at most
    try:
        made.bind(path.name)
    finally:
        os.chdir(here)
    made.listen()
    return made


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from a table by path; 404 for any other."""

    answers: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        """Answer."""
        found = self.answers.get(self.path)
        body = json.dumps(found).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """Say who asks, which over a Unix socket has no address."""
        return ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def certificate(folder: Path) -> str:
    """Write a key and a certificate that nobody has signed into one file; give its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + dt.timedelta(days=1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return str(put(folder, {"both.pem": private + public}) / "both.pem")


def test_registries_are_asked_what_they_speak(tmp_path: Path) -> None:
    """Any status is an answer, any certificate will do; what is silent costs its seconds once, all together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        safe = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(5)]
        safe.socket = context.wrap_socket(safe.socket, server_side=True, do_handshake_on_connect=False)
        safe.handle_error = lambda *_: None  # type: ignore[method-assign] # plain HTTP is asked too
        for server in (plain, safe):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
        http_host, https_host = (f"127.0.0.1:{server.server_port}" for server in (plain, safe))
        dead = [f"127.0.0.1:{one.getsockname()[1]}" for one in silent] + ["127.0.0.1:1", "bad host:x", "[::1"]
        started = time.monotonic()

        assert registries.probe([http_host, https_host, *dead], seconds=0.5) == {
            http_host: "http", https_host: "https", **dict.fromkeys(dead, ""),
        }  # fmt: skip
        assert time.monotonic() - started < 5 * 0.5


# containerd and CRI-O.

PLUGINS_1 = """\
TYPE                                  ID                       PLATFORMS      STATUS
io.containerd.content.v1              content                  -              ok
io.containerd.grpc.v1                 cri                      linux/amd64    {}
"""
PLUGINS_2 = """\
TYPE                                       ID                       PLATFORMS         STATUS
io.containerd.cri.v1                       images                   -                 {}
io.containerd.cri.v1                       runtime                  linux/amd64       {}
io.containerd.grpc.v1                      cri                      -                 {}
"""


@pytest.mark.parametrize(
    ("listed", "state"),
    [
        (PLUGINS_1.format("ok"), "ok"),
        (PLUGINS_1.format("error"), "error"),
        (PLUGINS_1.format("skip"), "skip"),
        ("TYPE ID PLATFORMS STATUS\nio.containerd.content.v1 content - ok\n", "disabled"),
        (PLUGINS_2.format("ok", "ok", "ok"), "ok"),
        (PLUGINS_2.format("ok", "error", "skip"), "error"),
        (PLUGINS_2.format("ok", "skip", "ok"), "skip"),
        ("", ""),
    ],
)
def test_the_cri_plugins_state_is_read(listed: str, state: str) -> None:
    """One plugin in containerd 1, three in containerd 2; one that is disabled is not listed."""
    assert containerd.cri_state(listed) == state


def test_imports_are_followed(tmp_path: Path) -> None:
    """Relative to the file, patterns resolved as Go does, each file once even when they import each other."""
    put(
        tmp_path,
        {
            "etc/containerd/config.toml": 'version = 2\nimports = [\n  "/etc/containerd/conf.d/*.toml",\n  # "/no",\n  \'more.toml\',\n]\n'
            '[plugins."x"]\nimports = ["/never.toml"]\n',
            "etc/containerd/conf.d/b.toml": 'imports = ["../config.toml"]',
            "etc/containerd/conf.d/a.toml": "",
            "etc/containerd/conf.d/.hidden.toml": "",
            "etc/containerd/more.toml": "",
            "never.toml": "",
        },
    )  # fmt: skip

    assert containerd.config_files(Tree(str(tmp_path)), "/etc/containerd/config.toml") == [
        "/etc/containerd/config.toml", "/etc/containerd/conf.d/.hidden.toml", "/etc/containerd/conf.d/a.toml", "/etc/containerd/conf.d/b.toml", "/etc/containerd/more.toml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "table", "found"),
    [
        ('root = "/a"\n[grpc]\n  root = "/b"\n', "", ["/a"]),
        ('root = "/a"\n[grpc]\n  root = "/b"\n', "grpc", ["/b"]),
        ('root = "/a"\n[grpc]\n  root = "/b"\n', None, ["/a", "/b"]),
        ("  'root' = [ '/a', \"/b\\\"c\" ] # no\n", "", ["/a", '/b"c']),
        ('# root = "/a"\nroots = "/b"\nroot = 1\n', "", []),
        ('[[a]] # x\nroot = "/a"\n', "a", ["/a"]),
    ],
)
def test_toml_gives_up_its_paths(text: str, table: str | None, found: list[str]) -> None:
    """Strings and lists of them, of the top or of a table; comments do not count."""
    assert toml.strings(text, "root", table) == found


# The network.


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"type": "bridge", "ipam": {"type": "host-local"}}, ["bridge", "host-local"]),
        ({"plugins": [{"type": "calico", "ipam": {"type": "calico-ipam"}}, {"type": "portmap"}]}, ["calico", "calico-ipam", "portmap"]),
        ({"plugins": [{"type": "flannel", "delegate": {"hairpinMode": True}}, "x", None, {"type": 3}]}, ["flannel"]),
        ({"plugins": "x"}, []),
        ([], []),
        ("x", []),
    ],
)  # fmt: skip
def test_plugins_are_named(document: object, names: list[str]) -> None:
    """IPAM included, whatever else the file says."""
    assert sorted(entry["type"] for entry in network.plugins_of(document)) == names


def test_the_network_is_what_counts(tmp_path: Path) -> None:
    """The first file, the folders that anyone may look into, the addresses that are kept."""
    put(
        tmp_path,
        {
            "etc/cni/net.d/20-other.conf": "not JSON",
            "etc/cni/net.d/10-lab.conflist": json.dumps(
                {"plugins": [{"type": "bridge", "ipam": {"type": "host-local", "dataDir": "/run/ipam"}}]}
            ),
            "etc/cni/net.d/00-x.conflist.disabled": "",
            "opt/kubelet/bin/bridge!": "",
            "opt/kubelet/bin/README": "",
            "usr/lib/cni/loopback!": "",
            "opt/crio/x!": "",
            "var/lib/cni/networks/lab/10.1.0.5": "abc\r\neth0",
            "var/lib/cni/networks/lab/last_reserved_ip.0": "10.1.0.5",
            "var/lib/cni/networks/lab/lock": "",
            "run/ipam/lab/fd00::7": "def",
        },
    )

    assert network.cni_fact(
        Tree(str(tmp_path)), ["--cni-bin-dir=/opt/kubelet/bin/,/opt/none"], ['plugin_dirs = [\n\t"/opt/crio/",\n]\n']
    ) == {
        "config": "10-lab.conflist",
        "configs": ["10-lab.conflist", "20-other.conf"],
        "plugins": ["bridge", "host-local"],
        "folders": {"/opt/kubelet/bin": ["bridge"], "/opt/crio": ["x"], "/usr/lib/cni": ["loopback"]},
        "reservations": [
            {"network": "lab", "address": "fd00::7", "container": "def", "path": "/run/ipam/lab/fd00::7"},
            {"network": "lab", "address": "10.1.0.5", "container": "abc", "path": "/var/lib/cni/networks/lab/10.1.0.5"},
        ],
    }


# Credentials, packages, history.


@pytest.mark.parametrize(
    ("text", "registries_found", "helpers"),
    [
        ('{"auths": {"https://index.docker.io/v1/": {"auth": "x"}, "r:5000": {"identitytoken": "y"}}}', ["index.docker.io", "r:5000"], []),
        ('{"auths": {"r": {}}, "credsStore": "pass"}', [], ["pass"]),
        ('{"credHelpers": {"a": "ecr-login", "b": "gcloud", "c": "ecr-login"}}', [], ["ecr-login", "gcloud"]),
        ('{"r.example": {"auth": "x", "email": "e"}}', ["r.example"], []),
        ('{"auths": [], "credHelpers": 3}', [], []),
        ("not JSON", [], []),
        ("[]", [], []),
    ],
)  # fmt: skip
def test_credentials_are_named_only(text: str, registries_found: list[str], helpers: list[str]) -> None:
    """Hosts that there are credentials for, and the helpers that the kubelet does not know."""
    assert credentials.read(text) == (registries_found, helpers)


def test_certificates_are_found_in_dockers_folders(tmp_path: Path) -> None:
    """Each with its kind and the mode that it must keep; no byte of it."""
    folder = "etc/docker/certs.d/r.example:5000"
    put(
        tmp_path,
        {f"{folder}/ca.crt": "A", f"{folder}/client.cert": "B", f"{folder}/client.key": "C", f"{folder}/x": "D"},
    )
    (tmp_path / folder / "client.key").chmod(0o600)
    (tmp_path / folder / "gone.crt").symlink_to("none")
    found = credentials.certificates(Tree(str(tmp_path)))

    assert [(entry["path"].rpartition("/")[2], entry["kind"], entry["mode"]) for entry in found] == [
        ("ca.crt", "ca", "0644"), ("gone.crt", "ca", ""), ("client.cert", "client", "0644"), ("client.key", "key", "0600"),
    ]  # fmt: skip
    assert {entry["registry"] for entry in found} == {"r.example:5000"}
    assert [entry["sha256"] for entry in found][:2] == [hashlib.sha256(b"A").hexdigest(), ""]


def test_packages_are_read() -> None:
    """From dpkg only those that are there; from rpm with versionlock's word on them."""
    dpkg = "docker.io\t20.10.24+dfsg1-1\thold\tinstalled\nrunc\t1.1.5\tinstall\tinstalled\ncrun\t1.8\tdeinstall\tconfig-files\nkubelet\t\tunknown\tnot-installed\n"
    rpm = "docker-ce\t20.10.7-3.el8\ndocker-ce-cli\t20.10.7-3.el8\ncontainerd.io\t1.4.6-3.1.el8\nrunc\t1-1\n"
    locks = packages.locked(
        ["# c\n0:docker-ce-20.10.7-3.el8.*\n!runc-1-1\n", 'version = "1.0"\n[[packages]]\nname = "containerd.io"\n']
    )

    assert packages.from_dpkg(dpkg) == [
        {"name": "docker.io", "version": "20.10.24+dfsg1-1", "held": True},
        {"name": "runc", "version": "1.1.5", "held": False},
    ]
    assert [(entry["name"], entry["held"]) for entry in packages.from_rpm(rpm, locks)] == [
        ("containerd.io", True), ("docker-ce", True), ("docker-ce-cli", False), ("runc", False),
    ]  # fmt: skip


def test_leftovers_are_named(tmp_path: Path) -> None:
    """Sockets that nobody listens on, folders in their place, checkpoints without their owner, others' networks."""
    put(
        tmp_path,
        {
            "proc/net/unix": "Num RefCount Protocol Flags Type St Inode Path\n"
            "0: 00000002 00000000 00010000 0001 01 17 /var/run/cri-dockerd.sock\n"
            "0: 00000003 00000000 00000000 0001 03 18 /run/dockershim.sock\n0: 00000003 00000000 00000000 0001 03 19\n",
            "run/crio/crio.sock/x": "",
            "var/lib/dockershim/sandbox/abc": "{}",
            "var/lib/cri-dockerd/sandbox/abc": "{}",
            "etc/cni/net.d/100-crio-bridge.conf": "",
            "etc/cni/net.d/10-crio-bridge.conflist.disabled": "",
            "etc/cni/net.d/10-calico.conflist": "",
        },
    )
    listen(tmp_path / "run/dockershim.sock").close()
    kept = listen(tmp_path / "run/cri-dockerd.sock")

    assert history.leftovers(Tree(str(tmp_path)), "/etc/cni/net.d") == [
        "/run/crio/crio.sock/", "/run/dockershim.sock", "/var/lib/dockershim/sandbox", "/etc/cni/net.d/100-crio-bridge.conf",
    ]  # fmt: skip
    kept.close()


def test_a_socket_that_was_moved_is_asked(tmp_path: Path) -> None:
    """Dockershim's is listed by the kernel under the name that it was made with."""
    put(tmp_path, {"proc/net/unix": "Num RefCount Protocol Flags Type St Inode Path\n"})
    (tmp_path / "run").mkdir()
    kept = listen(tmp_path / "run/123")
    (tmp_path / "run/123").rename(tmp_path / "run/dockershim.sock")

    assert history.leftovers(Tree(str(tmp_path)), "/etc/cni/net.d") == []
    kept.close()


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ('{"action": "stop the kubelet", "at": 1}\n{"action": "done", "at": 2}\n', "done"),
        ('{"action": "write files"}\n{"action": "start con', "write files"),
        ('{"action": "a"}\n[]\n{"action": "b"}\n', "damaged"),
        ('x{"action": "begin"}\n', "damaged"),
        ("", ""),
    ],
)
def test_the_last_action_of_a_switch_is_read(text: str, action: str) -> None:
    """Half a line at the end did not happen."""
    assert history.transaction(text).get("last", "") == action


CALLERS = {
    "etc/systemd/system/backup.service": ("[Service]\nExecStart=/usr/bin/docker run --rm x\n", True),
    "etc/systemd/system/a.service": ("[Service]\nExecStartPre=-docker-compose -f x pull\n", True),
    "etc/systemd/system/b.service": ("[Service]\nExecStart=/bin/sh -c 'cd /x && docker ps'\n", True),
    "etc/systemd/system/c.service": ("[Service]\nExecStart=/bin/sh \\\n  -c docker\n", True),
    "etc/systemd/system/d.service": (
        "[Unit]\nAfter=docker.service\n[Service]\nExecStart=/bin/true /etc/docker/x\n",
        False,
    ),
    "etc/systemd/system/e.service": ("[Service]\n#ExecStart=docker run\nExecStart=/usr/bin/dockerd\n", False),
    "etc/systemd/system/f.service.d/x.conf": ("[Service]\nExecStopPost=docker rm x\n", True),
    "etc/systemd/system/docker.service": ("[Service]\nExecStartPost=docker info\n", False),
    "etc/systemd/system/docker.service.d/x.conf": ("[Service]\nExecStartPost=docker info\n", False),
    "etc/systemd/system/g.service": (
        "[Service]\nExecStart=/usr/bin/socat TCP-LISTEN:2375,fork UNIX-CONNECT:/var/run/docker.sock\n",
        True,
    ),
    "etc/systemd/system/h.service": (
        "[Unit]\nConditionPathExists=/run/docker.sock\n[Service]\nExecStart=/bin/true\n",
        False,
    ),
    "etc/cron.d/gc": ("# m h\n5 4 * * * root docker system prune -f >/dev/null\n", True),
    "etc/cron.d/no": ("# docker run\n5 4 * * * root du /var/lib/docker/ /run/docker.sock\n", False),
    "etc/cron.daily/build": ("#!/bin/sh\nset -e\nimage=$(docker build -q .)\n", True),
    "var/spool/cron/crontabs/root": ("@daily systemctl restart docker\n", True),
    "etc/crontab": ("", False),
    "etc/cron.d/blank": ("x\n\n   # 5 4 * * * root docker ps\n", False),
}


def test_who_calls_docker_now_and_then_is_named(tmp_path: Path) -> None:
    """By files of units and of cron, whatever their order; words that only sound so are none."""
    put(tmp_path, {name: text for name, (text, _) in CALLERS.items()})

    assert part("callers").callers(Tree(str(tmp_path))) == sorted(
        f"/{name}" for name, (_, calls) in CALLERS.items() if calls
    )


def test_a_pattern_of_many_stars_is_not_tried(tmp_path: Path) -> None:
    """Old releases of Python would try it for hours; several in a row are one."""
    tree = Tree(str(put(tmp_path, {"etc/x/aab.toml": ""})))

    assert tree.glob("/etc/**/*a*****b.*") == ["/etc/x/aab.toml"]
    with pytest.raises(trees.UnreadableError, match="more than 6 stars"):
        tree.glob("/etc/x/" + "*a" * 7)


POLICY = """\
containerd:
  Installed: (none)
  Candidate: 1.6.20~ds1-1+deb12u1
  Version table:
     1.6.20~ds1-1+deb12u1 500
        500 http://deb.example/debian bookworm/main amd64 Packages
containerd.io:
  Installed: (none)
  Candidate: (none)
  Version table:
runc:
  Installed: 1.1.5
  Candidate: 1.1.5
"""


def test_what_would_be_installed_is_read(tmp_path: Path) -> None:
    """From what apt knows without asking anybody."""
    assert packages.from_apt(POLICY) == {"containerd": "1.6.20~ds1-1+deb12u1"}
    assert packages.Candidates(Tree(str(tmp_path))).fact() == {}


@pytest.mark.parametrize(
    ("manager", "asks"),
    [
        ("apt-cache", "apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy containerd containerd.io"),
        ("dnf", ""), ("yum", ""),
    ],
)  # fmt: skip
def test_a_question_writes_nothing_and_takes_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: str, asks: str
) -> None:
    """Apt keeps its cache in memory; the others wait for their lock, and are not asked."""
    put(tmp_path, {f"usr/bin/{manager}": "#!/bin/sh\n"} | ({"var/lib/dpkg/status": ""} if asks else {}))
    (tmp_path / "usr/bin" / manager).chmod(0o755)
    asked: list[str] = []
    monkeypatch.setattr(packages, "Program", lambda _, argv: asked.append(" ".join(argv).rpartition("bin/")[2]))

    packages.Candidates(Tree(str(tmp_path)))

    assert len(asked) == bool(asks)
    assert asks in "".join(asked)


AGENTS = {
    "etc/systemd/system/pull.service": "[Service]\nExecStart=/usr/bin/ansible-pull -U https://git.example/site\n",
    "etc/systemd/system/other.service": "[Service]\nExecStart=/opt/puppetlabs-exporter --port 1\n",
    "etc/cron.d/salt": "*/30 * * * * root /usr/bin/salt-call state.apply\n",
    "etc/cron.d/off": "#*/30 * * * * root puppet agent --test\n",
    "etc/cron.hourly/cf": "#!/bin/sh\nexec /var/cfengine/bin/cf-agent -K\n",
    "usr/sbin/needrestart!": "",
}
AGENT_LINES = {
    "ExecStart=-/usr/bin/puppet agent": "puppet", "ExecStart = @/usr/bin/puppet x": "puppet",
    "ExecStart=/bin/sh -c 'cd /x && ansible-pull -U y'": "ansible-pull", "ExecStart=/usr/bin/flock -n /l /opt/cf-agent": "cf-agent",
    "ExecStart=/usr/bin/timeout -k 3 30m salt-call x": "salt-call", "ExecStart=/usr/bin/env A=b chef-client": "chef-client",
    "ExecStart=/usr/bin/tail -F puppet": "", "ExecStart=/bin/chown puppet /x": "", "ExecStop=/bin/systemctl stop puppet": "",
    "ExecStart=/bin/rm -rf /var/lib/puppet": "", "ExecStart=": "", "#ExecStart=/usr/bin/puppet": "", "Description=puppet": "",
}  # fmt: skip
AGENT_JOBS = {
    ("/etc/cron.d/x", "*/30 * * * * root /usr/bin/puppet agent"): "puppet", ("/etc/cron.d/x", "0 4 * * 1-5 puppet /opt/x"): "",
    ("/etc/cron.d/x", "@daily root sudo -u root puppet agent"): "puppet", ("/etc/cron.d/x", "0 4 * jan mon root puppet"): "puppet",
    ("/var/spool/cron/root", "5 4 * * * salt-call x"): "salt-call", ("/var/spool/cron/root", "5 4 * * * echo salt-call"): "",
    ("/etc/cron.daily/x", "if [ -x /usr/bin/puppet ]; then puppet agent; fi"): "puppet", ("/etc/cron.daily/x", "du -s /var/lib/puppet"): "",
    ("/etc/cron.daily/x", "\n\n  # puppet agent\n"): "", ("/etc/cron.daily/x", "x=$(salt-call y)"): "salt-call",
    ("/etc/cron.daily/x", "ls /opt # see puppet"): "",
}  # fmt: skip


def test_an_agent_is_one_where_a_command_stands() -> None:
    """A user, a folder, a service or a word of that name is none."""
    callers = part("callers")

    assert {line: callers.agent_in_unit(line, "") for line in AGENT_LINES} == AGENT_LINES
    assert {(path, line): callers.agent_in_job(line, path) for path, line in AGENT_JOBS} == AGENT_JOBS


def test_who_changes_the_host_by_itself_is_named(tmp_path: Path) -> None:
    """Units that are active, and what timers and cron call; what is only called alike is none."""
    tree, callers = Tree(str(put(tmp_path, AGENTS))), part("callers")

    assert callers.agents(tree, ["puppet.service", "apt-daily-upgrade.timer"]) == [
        "puppet.service", "needrestart", "/etc/cron.d/salt (salt-call)", "/etc/cron.hourly/cf (cf-agent)",
        "/etc/systemd/system/pull.service (ansible-pull)",
    ]  # fmt: skip
    assert callers.agents(Tree(str(tmp_path / "none")), []) == []
    known = units.parse("Id=puppet.service\nActiveState=active\n\nId=zincati.service\nActiveState=inactive\n")
    assert [name for name in units.AGENTS if units.active(known, name)] == ["puppet.service"]


@pytest.mark.parametrize(
    ("texts", "on"),
    [
        ({"20auto-upgrades": 'APT::Periodic::Unattended-Upgrade "1";\n'}, True),
        ({"20auto-upgrades": 'APT::Periodic::Unattended-Upgrade "0";\n'}, False),
        ({"10periodic": 'APT { Periodic { Unattended-Upgrade "always"; }; };\n'}, True),
        ({"20auto-upgrades": 'APT::Periodic::Unattended-Upgrade "1";', "99site": 'APT::Periodic::Unattended-Upgrade "0";'}, False),
        ({"20auto-upgrades": '// APT::Periodic::Unattended-Upgrade "1";\n'}, False),
        ({"20auto-upgrades": '\n\n  // APT::Periodic::Unattended-Upgrade "1";\n'}, False),
        ({"20auto.dpkg-old": 'APT::Periodic::Unattended-Upgrade "1";'}, False),
        ({"20auto.b.conf": 'APT::Periodic::Unattended-Upgrade "1";'}, True),
        ({"20auto": 'APT::Periodic::Unattended-Upgrade "1";', "99~": 'APT::Periodic::Unattended-Upgrade "0";'}, True),
        ({}, False),
    ],
)  # fmt: skip
def test_upgrades_by_itself_are_seen(tmp_path: Path, texts: dict[str, str], *, on: bool) -> None:
    """Where APT is told so and the program is there; the last file counts."""
    put(tmp_path, {f"etc/apt/apt.conf.d/{name}": text for name, text in texts.items()})

    assert not part("callers").upgrades(Tree(str(tmp_path)))
    put(tmp_path, {"usr/bin/unattended-upgrade!": ""})
    assert part("callers").upgrades(Tree(str(tmp_path))) is on
    assert part("callers").agents(Tree(str(tmp_path)), ["apt-daily-upgrade.timer"]) == ["apt-daily-upgrade.timer"] * on


# The whole.

OCI_SPEC = '{"ociVersion": "1.0.2-dev"}'
DAEMON = {"exec-opts": ["native.cgroupdriver=systemd"], "registry-mirrors": ["https://u:pw@m"]}
UNITS = (
    SHOW
    + """
Id=containerd.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
FragmentPath=/lib/systemd/system/containerd.service
MainPID=43
"""
)


def program(**answers: str) -> str:
    """Write a program that answers by its last word but for options."""
    cases = "".join(
        f"  *' {words.replace('_', ' ')} '*) cat <<'END'\n{answer}\nEND\n;;\n" for words, answer in answers.items()
    )
    return f'#!/bin/sh\ncase " $* " in\n{cases}  *) exit 1;;\nesac\n'


@pytest.fixture
def machine() -> Iterator[Path]:
    """Give a Docker node made of files, programs and a Docker that answers."""
    with tempfile.TemporaryDirectory() as folder:
        root = put(
            Path(folder),
            {
                "run/systemd/system/x": "",
                "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
                "etc/machine-id": "abc\n",
                "proc/self/mounts": "a / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
                "proc/42/cmdline": "/usr/sbin/dockerd\0--containerd=/run/containerd/containerd.sock\0--default-ulimit=nofile=1:2\0",
                "proc/43/cmdline": "/usr/bin/containerd\0",
                "proc/77/limits": LIMITS,
                "usr/bin/systemctl!": program(show=UNITS),
                "usr/bin/kubelet!": "#!/bin/sh\necho Kubernetes v1.20.2\n",
                "usr/bin/containerd!": program(**{"--version": "containerd x 1.6.20", "config_dump": 'root = "/big/containerd"\n[a]\npassword = "pw"'}),
                "usr/bin/ctr!": program(oci_spec=OCI_SPEC, plugins_ls=PLUGINS_1.format("ok"), images_ls="a:1\nb:2"),
                "run/containerd/io.containerd.runtime.v2.task/k8s.io/one/config.json": "{}",
                "usr/sbin/runc!": "#!/bin/sh\necho runc version 1.1.5\n",
                "opt/nvidia/nvidia-container-runtime!": "#!/bin/sh\necho NVIDIA Container Runtime version 1.13.5\n",
                "usr/bin/dpkg-query!": "#!/bin/sh\nprintf 'docker.io\\t20.10\\thold\\tinstalled\\n'\nexit 1\n",
                "var/lib/dpkg/status": "",
                "etc/docker/daemon.json": json.dumps(DAEMON),
                "etc/containerd/config.toml": 'imports = ["conf.d/*.toml"]\nconfig_path = "/srv/certs:/etc/docker/certs.d"\n',
                "etc/containerd/conf.d/x.toml": "",
                "srv/certs/r:5000/hosts.toml": 'server = "https://r:5000"\n',
                "etc/docker/certs.d/r:5000/ca.crt": "A",
                "var/lib/kubelet/config.json": '{"auths": {"r:5000": {"auth": "x"}}}',
                "var/lib/docker/containers/c1/hostconfig.json": '{"Runtime": "nvidia"}',
                "var/lib/migrator/transactions/t1/journal.jsonl": (
                    '{"action": "begin", "number": 3, "at": 1, "about": {"source": "docker://1", "annotation": null}}\n'
                    '{"action": "done", "at": 2.5}\n{"act'
                ),
                "etc/cni/net.d/10-lab.conflist": '{"plugins": [{"type": "bridge"}]}',
                "etc/cron.d/backup": "5 4 * * * root docker run --env PASSWORD=secret x\n",
                "etc/kubernetes/manifests/store.yaml": "spec: {containers: [{name: store, image: k8s.gcr.io/etcd:3}]}\n",
            },
        )  # fmt: skip
        (root / "proc/42/exe").symlink_to("/usr/sbin/dockerd")
        (root / "proc/43/exe").symlink_to("/usr/bin/containerd")
        kept = listen(root / "run/containerd/containerd.sock")
        (root / "var/run/docker.sock").parent.mkdir(parents=True)
        with socketserver.ThreadingUnixStreamServer(str(root / "var/run/docker.sock"), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield root
            server.shutdown()
        kept.close()


@pytest.fixture
def docker_answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give what Docker answers, to be changed by a test."""
    pod = {"io.kubernetes.pod.uid": "uid-1", "io.kubernetes.docker.type": "podsandbox"}
    answers = {
        "/info": {
            "ServerVersion": "20.10.24", "DockerRootDir": "/var/lib/docker", "CgroupDriver": "systemd", "Driver": "overlay2",
            "DefaultRuntime": "runc", "Runtimes": {"runc": {"path": "runc"}, "nvidia": {"path": "/opt/nvidia/nvidia-container-runtime"}, "kata": {}},
            "LoggingDriver": "json-file", "LiveRestoreEnabled": True, "SecurityOptions": ["name=apparmor"], "RegistryConfig": None,
        },
        "/images/json?all=0&digests=1": [
            {"Id": "sha256:1", "RepoTags": ["a:1"], "RepoDigests": ["a@sha256:9"], "Size": 5},
            {"Id": "sha256:2", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"], "Size": -1},
            {"Id": "sha256:3", "RepoTags": None, "RepoDigests": None},
        ],
        "/containers/json?all=1": [
            {"Id": "c1", "Names": ["/k8s_POD"], "Image": "pause", "State": "running", "Labels": pod, "Command": "/secret"},
            {"Id": "c2", "Names": [], "State": "exited", "Labels": None},
        ],
        "/containers/c1/json": {"State": {"Pid": 77}, "Config": {"Env": ["PASSWORD=secret"]}},
    }  # fmt: skip
    monkeypatch.setattr(Handler, "answers", answers)
    return answers


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="facts are read as root only")


@needs_root
@pytest.mark.usefixtures("docker_answers")
def test_a_docker_node_is_read(machine: Path) -> None:
    """The document fits the model, and says what the parts said."""
    document = node_facts.facts(Tree(str(machine)))
    facts = NodeFacts.model_validate(json.loads(json.dumps(document)))

    assert document["problems"] == []
    assert (facts.schema_version, facts.machine_id, facts.host.os_id, facts.host.cgroup) == (
        SCHEMA,
        "abc",
        "debian",
        "v2",
    )
    assert (facts.kubelet.version, facts.kubelet.installation, facts.kubelet.active) == ("1.20.2", "other", False)
    assert facts.docker is not None
    assert facts.docker.model_dump(exclude={"unit", "images", "containers", "security_options", "limits"}) == {
        "version": "20.10.24", "root": "/var/lib/docker", "cgroup_driver": "systemd", "config": "/etc/docker/daemon.json",
        "storage_driver": "overlay2", "default_runtime": "runc", "log_driver": "json-file", "live_restore": True,
        "runtimes": {"runc": "runc", "nvidia": "/opt/nvidia/nvidia-container-runtime", "kata": ""},
        "containerd": "/run/containerd/containerd.sock", "embedded": False, "containerd_store": False, "insecure": {},
    }  # fmt: skip
    assert [(image.tags, image.digests, image.size) for image in facts.docker.images] == [
        (("a:1",), ("a@sha256:9",), 5),
        ((), (), 0),
        ((), (), 0),
    ]
    assert [(entry.name, entry.running, entry.pod_uid, entry.runtime) for entry in facts.docker.containers] == [
        ("k8s_POD", True, "uid-1", "nvidia"), ("?", False, "", ""),
    ]  # fmt: skip
    assert facts.docker.limits["nofile"] == "1024:524288"
    assert (facts.containerd.version, facts.containerd.cri, facts.containerd.images) == ("1.6.20", "ok", ("a:1", "b:2"))
    assert (facts.containerd.containers, facts.containerd.oci_spec.strip(), facts.containerd.active) == (
        1,
        OCI_SPEC,
        True,
    )
    assert hashed("pw") in facts.containerd.effective
    assert facts.low_level == {"/usr/sbin/runc": "1.1.5", "/opt/nvidia/nvidia-container-runtime": "1.13.5"}
    assert facts.host.disks[0].model_dump(include={"path", "mount"}) == {"path": "/big/containerd", "mount": "/"}
    assert [(entry.name, entry.held) for entry in facts.packages] == [("docker.io", True)]
    assert facts.transactions == {"t1": Transaction(last="done", source="docker://1", number=3, at=2.5)}
    assert (facts.credentials[0].registries, facts.crio) == (("r:5000",), None)
    assert facts.docker_callers == ("/etc/cron.d/backup",)
    assert facts.control_plane == (Component(name="etcd", where="/etc/kubernetes/manifests/store.yaml"),)


@needs_root
@pytest.mark.usefixtures("docker_answers")
def test_every_file_of_a_migration_is_read(machine: Path) -> None:
    """Those that only this node has too: fragments, imports, hosts.toml of other folders; secrets hidden."""
    facts = NodeFacts.model_validate(node_facts.facts(Tree(str(machine))))

    assert {path for path, file in facts.files.items() if file.exists} == {
        "/etc/docker/daemon.json", "/etc/containerd/config.toml", "/etc/containerd/conf.d/x.toml",
        "/srv/certs/r:5000/hosts.toml", "/etc/cni/net.d/10-lab.conflist",
    }  # fmt: skip
    assert set(files.ALWAYS) | {"/lib/systemd/system/docker.service", "/etc/my docker"} <= set(facts.files)
    assert facts.file("/etc/docker/daemon.json").hidden
    assert facts.file("/etc/docker/daemon.json").sha256 == hashlib.sha256(json.dumps(DAEMON).encode()).hexdigest()


@needs_root
@pytest.mark.usefixtures("docker_answers")
def test_nothing_secret_leaves_the_node(machine: Path) -> None:
    """Neither from files nor from Docker's containers."""
    said = json.dumps(node_facts.facts(Tree(str(machine))))

    assert not [word for word in ("u:pw@", '"pw', "/secret", "PASSWORD", "bWU6") if word in said]


@needs_root
@pytest.mark.parametrize("path", ["/info", "/images/json?all=0&digests=1", "/containers/json?all=1"])
def test_a_docker_that_answers_in_part_does_not_answer(
    machine: Path, docker_answers: dict[str, Any], path: str
) -> None:
    """An empty list would say that it has nothing; the rest of the node is read all the same."""
    docker_answers.pop(path)
    document = node_facts.facts(Tree(str(machine)))
    facts = NodeFacts.model_validate(document)

    assert facts.docker is None
    assert path.split("?", maxsplit=1)[0] in facts.docker_problem
    assert facts.containerd.version == "1.6.20"


@needs_root
@pytest.mark.usefixtures("docker_answers")
def test_a_stopped_docker_is_not_asked(machine: Path) -> None:
    """Systemd would start it for whoever opens its socket, and an inspection changes nothing."""
    put(machine, {"usr/bin/systemctl!": program(show=UNITS.replace("ActiveState=active", "ActiveState=inactive", 1))})
    facts = NodeFacts.model_validate(node_facts.facts(Tree(str(machine))))

    assert (facts.docker, facts.docker_problem) == (None, "docker.service does not run")


@needs_root
def test_an_empty_host_is_read(tmp_path: Path) -> None:
    """Nothing is installed, nothing can be found, and that is no fault."""
    document = node_facts.facts(Tree(str(tmp_path)))
    facts = NodeFacts.model_validate(document)

    assert document["problems"] == []
    assert (facts.docker, facts.docker_problem, facts.kubelet.version, facts.containerd.version) == (None, "", "", "")
    assert not any(file.exists for file in facts.files.values())


@needs_root
def test_a_fault_in_one_part_leaves_the_others(machine: Path, docker_answers: dict[str, Any]) -> None:
    """Answers of any shape: the part is missing, the document is whole."""
    docker_answers["/info"] = ["rubbish"]
    put(
        machine,
        {"usr/bin/dpkg-query!": "#!/bin/sh\nprintf '\\377\\tx\\n\\n'\n", "var/lib/kubelet/config.json": b"\xff"},
    )
    document = node_facts.facts(Tree(str(machine)))
    facts = NodeFacts.model_validate(json.loads(json.dumps(document)))

    assert (facts.docker, facts.packages, facts.containerd.cri) == (None, (), "ok")


def test_without_root_only_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most facts would be missing."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert node_facts.facts(Tree(str(tmp_path))) == {"schema_version": SCHEMA, "root": False}
