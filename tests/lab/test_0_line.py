"""The line to a host through a real SSH server on this machine: keys, ports, passwords, sudo, jump hosts, losses.

The server runs in a mount namespace of its own, with a copy of /etc, so that its users exist nowhere else. It and
sudo are there where this machine lacks them: installed, the server would be started.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import tools
from lab.settings import Settings
from migrator import data_files
from migrator.errors import HostUnreachableError
from migrator.hosts.runner import AnsibleHosts

WITNESS = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"id": asked["id"], "answer": [os.getuid(), os.getppid(), asked["words"]]}), flush=True)
"""
SECRET = "a secret: \"of' all $signs"  # noqa: S105 - of users that exist for these tests only
NAMESPACE = """
set -e
mount --make-rprivate /
cp -a --no-clobber "$3/etc/." "$1/etc"
mount --bind "$1/etc" /etc
# What is installed here has precedence.
mount -t overlay -o "lowerdir=/usr:$3/usr" overlay /usr
mount -t overlay -o "lowerdir=/usr/lib:$3/lib" overlay /usr/lib
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
id sshd >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin sshd
for name in free asked unfit; do
  useradd --no-create-home --home-dir "$1/home" --shell /bin/bash "line-$name"
  printf '%s:%s\\n' "line-$name" "$2" | chpasswd
done
printf '%s\\n' 'Defaults use_pty' 'line-free ALL=(ALL) NOPASSWD: ALL' 'line-asked ALL=(ALL) ALL' >/etc/sudoers
chmod 440 /etc/sudoers
exec /usr/sbin/sshd -D -e -f "$1/sshd_config" 2>"$1/log"
"""
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication yes
"""
COMMON = "-o UserKnownHostsFile={folder}/known -o ControlMaster=auto -o ControlPersist=5s"


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a server with users of its own")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that the server's users may read, with keys, the programs for the host, and a running server."""
    with tempfile.TemporaryDirectory(prefix="line-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "home").mkdir()
        (folder / "home").chmod(0o777)
        shutil.copytree("/etc", folder / "etc", symlinks=True, ignore_dangling_symlinks=True)
        for key in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        shutil.copy(data_files.folder("roles") / "line" / "files" / "relay.py", folder)
        (folder / "witness.py").write_text(WITNESS)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(CONFIG.format(folder=folder, port=port))
        (folder / "port").write_text(str(port))
        script = [NAMESPACE, "sh", str(folder), SECRET, str(tools.logins(Settings()))]
        with subprocess.Popen(["unshare", "--mount", "sh", "-c", *script]) as server:
            try:
                until(lambda: "listening on" in (folder / "log").read_text(), server, folder / "log")
                yield folder
            finally:
                server.terminate()


def until(reached: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    """Poll for at most 10 s."""
    end = time.monotonic() + 60
    while not (log.exists() and reached()):
        assert server.poll() is None
        assert time.monotonic() < end, log.read_text() if log.exists() else ""
        time.sleep(0.05)


def hosts(folder: Path, **variables: Any) -> AnsibleHosts:
    """Give the door to an inventory with one host, node, that is reached over the server."""
    with (folder / "ssh_config").open("w") as file:
        file.write(
            f"Host jump\n  HostName 127.0.0.1\n  Port {(folder / 'port').read_text()}\n  User line-unfit\n"
            f"  IdentityFile {folder / 'key'}\n  UserKnownHostsFile {folder / 'known'}\n"
        )
    given = {
        "ansible_host": "127.0.0.1",
        "ansible_port": int((folder / "port").read_text()),
        "ansible_user": "line-free",
        "ansible_ssh_private_key_file": str(folder / "key"),
        "ansible_ssh_args": COMMON.format(folder=folder),
        "ansible_control_path_dir": str(folder / "cp"),
        **variables,
    }
    path = folder / "inventory.yml"
    path.write_text(
        yaml.safe_dump({"all": {"hosts": {"node": {name: it for name, it in given.items() if it is not None}}}})
    )
    return AnsibleHosts(path, connect_timeout=10, programs=folder)


def echoing(folder: Path) -> str:
    """Serve on a socket that only root may open: send everything back."""
    path = folder / f"echo-{time.monotonic_ns()}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            while chunk := connection.recv(65536):
                connection.sendall(chunk)

    threading.Thread(target=serve, daemon=True).start()
    return str(path)


REACHED = {
    "key, port and sudo": {},
    "sudo with a password": {"ansible_user": "line-asked", "ansible_become_password": SECRET},
    "password login": {
        "ansible_ssh_private_key_file": None,
        "ansible_password": SECRET,
        "ansible_ssh_extra_args": "-o PreferredAuthentications=password -o PubkeyAuthentication=no",
    },
    "jump host": {"ansible_ssh_common_args": "-F {folder}/ssh_config -o ProxyJump=jump"},
    "no shared connection": {"ansible_ssh_args": "-o UserKnownHostsFile={folder}/known -o ControlMaster=no"},
}


@pytest.mark.parametrize("variables", REACHED.values(), ids=REACHED)
def test_a_line_goes_where_ansible_goes(folder: Path, variables: dict[str, Any]) -> None:
    """Whatever way Ansible reaches the host and becomes root, the witness and a stream of 5 MB go that way too."""
    filled = {
        name: it.format(folder=folder) if it and name != "ansible_password" else it for name, it in variables.items()
    }
    data = os.urandom(5_000_000)
    path = echoing(folder)

    with hosts(folder, **filled).line("node") as line:
        uid, _, words = line.ask("who", text="x" * 200_000)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(line.socket(path).removeprefix("unix:"))
            sender = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
            sender.start()
            came = b"".join(iter(lambda: connection.recv(65536), b""))
            sender.join()

    assert (uid, words) == (0, {"text": "x" * 200_000})
    assert hashlib.sha256(came).digest() == hashlib.sha256(data).digest()
    assert not programs_of(folder)


REFUSED = {
    "wrong sudo password": (
        {"ansible_user": "line-asked", "ansible_become_password": "wrong"},
        "node: the sudo password is wrong",
    ),
    "no sudo password": ({"ansible_user": "line-asked"}, "node: the user may not use sudo without a password"),
    "no sudo at all": (
        {"ansible_user": "line-unfit", "ansible_become_password": SECRET},
        "node: .*is not in the sudoers",
    ),
    "unknown user": ({"ansible_user": "nobody-here"}, "node: SSH refuses the key or the user"),
    "no python": ({"ansible_python_interpreter": "/usr/bin/python9"}, "node: .*/usr/bin/python9"),
}


@pytest.mark.parametrize(("variables", "said"), REFUSED.values(), ids=REFUSED)
def test_a_line_that_cannot_be_says_why(folder: Path, variables: dict[str, Any], said: str) -> None:
    """Why there is no line is one sentence that names the host, and nothing stays behind."""
    with pytest.raises(HostUnreachableError, match=said) as caught, hosts(folder, **variables).line("node") as line:
        line.ask("who")

    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert not programs_of(folder)


def test_a_lost_connection_is_told(folder: Path) -> None:
    """When the connection breaks in the middle, the question and the stream say so; the next question connects again."""
    path = echoing(folder)
    with hosts(folder).line("node") as line, socket.socket(socket.AF_UNIX) as connection:
        line.ask("who")
        connection.settimeout(20)
        connection.connect(line.socket(path).removeprefix("unix:"))
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        for pid in running("sshd: line-free"):
            os.kill(pid, signal.SIGKILL)

        with suppress(ConnectionError):
            assert connection.recv(1) == b""
        with pytest.raises(HostUnreachableError, match="^the connection to node was lost"):
            line.ask("who")
        assert line.lost(path).startswith("the connection to node was lost")
        assert line.ask("who")[0] == 0


def test_killed_while_the_host_hangs_it_leaves_nothing(folder: Path) -> None:
    """A migrator that is killed while Ansible waits for a host leaves neither Ansible, nor ssh, nor its folder."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hosts(folder, ansible_port=silent.getsockname()[1])
        script = (
            "import pathlib, sys\nfrom migrator.hosts.runner import AnsibleHosts\n"
            "AnsibleHosts(pathlib.Path(sys.argv[1]), connect_timeout=300).line('node').__enter__()\n"
        )
        temporary = folder / "tmp"
        temporary.mkdir()
        environment = {**os.environ, "TMPDIR": str(temporary)}
        with subprocess.Popen([sys.executable, "-c", script, folder / "inventory.yml"], env=environment) as child:
            waiting, _ = silent.accept()
            assert running(f"{folder}/known")
            assert list(temporary.glob("migrator-*/control"))
            child.kill()

        end = time.monotonic() + 60
        while (left := [*running(f"{folder}/known"), *temporary.glob("migrator-*")]) and time.monotonic() < end:
            time.sleep(0.1)
        waiting.close()
        assert not left


def programs_of(folder: Path) -> list[int]:
    """Give the processes that a line started over the server: ssh, but not the connection that Ansible keeps."""
    end = time.monotonic() + 30
    while (found := running("BatchMode=yes", str(folder))) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def running(*words: str) -> list[int]:
    """Give the processes whose command line has all these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if all(word in said for word in words):
                found.append(int(path.name))
    return found
