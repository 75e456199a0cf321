"""The probe does what it is asked to and says what it sees; its image is what runtimes take.

The program itself runs here, as it does in a container: directly, in namespaces of its own, and without privileges.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import ipaddress
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import probe_image
from migrator.errors import CriError
from migrator.model.evidence import RawView
from migrator.proof.image import ARCHITECTURES, FILE, REFERENCE, archive
from tests.fakes import name_server

MACHINES = list(ARCHITECTURES)
NOBODY = 54321
"""A user who has no processes."""


def blob(machine: str, digest: str) -> bytes:
    """Read a blob of an archive."""
    return member(machine, "blobs/" + digest.replace(":", "/"))


def member(machine: str, name: str) -> bytes:
    """Read a file of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive(machine).data)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def manifest(machine: str) -> Any:
    """Read the OCI manifest of an archive."""
    return json.loads(blob(machine, json.loads(member(machine, "index.json"))["manifests"][0]["digest"]))


def program(machine: str) -> bytes:
    """Read the probe out of its image."""
    with tarfile.open(fileobj=io.BytesIO(blob(machine, manifest(machine)["layers"][0]["digest"]))) as tar:
        file = tar.extractfile("probe")
        assert file is not None
        return file.read()


def written(machine: str, folder: Path) -> str:
    """Write the probe of an architecture where it can be run."""
    path = folder / "probe"
    path.write_bytes(program(machine))
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of the probe for this machine."""
    if os.uname().machine not in ARCHITECTURES:
        pytest.skip(f"there is no probe for {os.uname().machine}")
    return written(os.uname().machine, tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def namespaces() -> list[str]:
    """Give the words that run a program in user, mount, network, process, name and IPC namespaces of its own."""
    words = ["unshare", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets us make no user namespaces")
    return words


def ran(*words: str, **how: Any) -> tuple[int, Any]:
    """Run a probe; give its exit code and the object on its last line."""
    done = subprocess.run(words, capture_output=True, timeout=20, check=False, **how)
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def unprivileged(probe: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give words that run a probe without any privilege: as a user who could not open the folder that it lies in."""
    with Path(probe).open("rb") as file:
        how: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        yield f"/proc/self/fd/{file.fileno()}", {"pass_fds": (file.fileno(),), **how}


def viewed(*words: str, **how: Any) -> RawView:
    """Run a probe's report."""
    code, answer = ran(*words, "report", **how)
    assert code == 0
    return RawView.model_validate(answer)


def names_in(folder: str) -> set[str]:
    """List a folder."""
    return {path.name for path in Path(folder).iterdir()}


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.005)


# --- what it reports


def test_it_sees_its_process_as_the_kernel_shows_it(probe: str) -> None:
    """Links, files, lists and names are those that any other program finds."""
    view = viewed(probe)
    assert view.links == {f"ns/{name}": str(Path("/proc/self/ns", name).readlink()) for name in SEEN_NAMESPACES}
    assert view.names == {name: getattr(os.uname(), name) for name in ("nodename", "release", "machine")}
    for path in ("/etc/hosts", "/etc/resolv.conf", "/proc/sys/kernel/hostname", "/proc/sysvipc/sem"):
        assert view.files[path] == Path(path).read_text(encoding="utf-8")
    for name in ("uid_map", "gid_map", "cgroup", "mountinfo"):
        assert view.files[name] == Path("/proc/self", name).read_text(encoding="utf-8")
    assert view.files["/sys/class/net/lo/mtu"] == Path("/sys/class/net/lo/mtu").read_text(encoding="utf-8")
    assert view.files["/proc/1/cmdline"].endswith("\0")
    assert "lo:" in view.files["net/dev"]
    assert "127.0.0.1" in view.files["net/fib_trie"]
    assert {"limits", "oom_score_adj", "net/route"} <= set(view.files)
    assert set(view.lists["/dev"]) == names_in("/dev")
    assert set(view.lists["/sys/class/net"]) == names_in("/sys/class/net")
    assert all(name.isdecimal() for name in view.lists["/proc"])
    assert "1" in view.lists["/proc"]
    assert view.parent == {}


SEEN_NAMESPACES = [
    name
    for name in ("net", "pid", "mnt", "user", "uts", "ipc", "cgroup", "time", "pid_for_children")
    if Path("/proc/self/ns", name).exists()
]


def test_it_finds_its_own_cgroup(probe: str) -> None:
    """Every cgroup whose files it shows is one that it is in."""
    view = viewed(probe)
    pid = next(line.split()[1] for line in view.files["status"].splitlines() if line.startswith("Pid:"))
    members = {path: text for path, text in view.cgroup.items() if path.endswith("cgroup.procs")}
    if not members:
        pytest.skip("this process's cgroup is not mounted below /sys/fs/cgroup")
    assert all(pid in text.split() for text in members.values())


def test_in_namespaces_it_sees_only_those(probe: str, namespaces: list[str]) -> None:
    """In a container it is PID 1 among its own processes, with its own interfaces."""
    view = viewed(*namespaces, "--mount-proc", probe)
    assert view.lists["/proc"] == ("1",)
    assert "eth0" not in view.files["net/dev"]
    assert view.files["/proc/1/cmdline"] == f"{probe}\0report\0"
    for name in ("net", "pid", "mnt", "user", "uts", "ipc"):
        assert view.links[f"ns/{name}"] != str(Path("/proc/self/ns", name).readlink())


def test_what_is_hidden_and_protected_is_told_by_trying(probe: str, namespaces: list[str]) -> None:
    """A masked file or folder shows nothing, and a read-only path is on a read-only mount; what is missing is neither."""
    script = """
        mount --bind /dev/null /proc/timer_list && mount -t tmpfs -o ro none /sys/firmware &&
        mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$0" report
    """
    before = viewed(*namespaces, "--mount-proc", probe).lists
    code, answer = ran(*namespaces, "--mount-proc", "sh", "-c", script, probe)
    assert code == 0
    lists = RawView.model_validate(answer).lists
    assert {"/proc/timer_list", "/sys/firmware"} <= set(lists["masked"])
    assert "/proc/sys" in lists["readonly"]
    assert "/sys/firmware" in before["unmasked"]
    assert "/proc/sys" in before["writable"]
    for kinds in (("masked", "unmasked"), ("readonly", "writable")):
        named = [path for kind in kinds for path in lists[kind]]
        assert len(named) == len(set(named))
        assert all(Path(path).exists() for path in named)


def test_it_reports_without_any_privilege(probe: str) -> None:
    """An unprivileged user without capabilities gets a whole report, without the files that he may not read."""
    with unprivileged(probe) as (handle, how):
        view = viewed(handle, **how)
    status = dict(line.split(":\t", 1) for line in view.files["status"].splitlines() if ":\t" in line)
    assert status["CapEff"] == "0" * 16
    assert "/etc/hosts" in view.files
    assert set(view.links) == {f"ns/{name}" for name in SEEN_NAMESPACES}


# --- what it does


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["memory", "1048576"], {"touched": 1048576}),
        (["memory", "16Mi"], {"touched": 16777216}),
        (["fork", "20"], {"forked": 20}),
        (["fork", "0"], {"forked": 0}),
        (["lines", "3"], {"lines": 3}),
    ],
)
def test_it_does_what_it_is_asked(probe: str, words: list[str], expected: dict[str, Any]) -> None:
    """A verb that succeeds says how much it did and exits with 0."""
    assert ran(probe, *words) == (0, expected)


def test_spinning_uses_a_processor(probe: str) -> None:
    """A spin lasts as long as asked, and its processor time is not more than that."""
    code, answer = ran(probe, "spin", "0.1")
    assert code == 0
    assert answer["wall_ns"] >= 100_000_000
    assert 0 < answer["cpu_ns"] <= answer["wall_ns"] * 1.1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["report", "more"],
        ["memory"],
        ["memory", "16MB"],
        ["memory", "-1"],
        ["memory", "99999999999999999999"],
        ["spin", "x"],
        ["fork", "1e3"],
        ["bind", "0"],
        ["bind", "65536"],
        ["mount", "relative", "name"],
        ["shm", "0", "1"],
        ["resolve"],
        ["resolve", "name", "31"],
        ["connect", "localhost", "1"],
        ["connect", "127.0.0.1"],
        ["lines", ""],
        ["wait", "--port"],
        ["wait", "--port", "none"],
        ["wait", "--nonsense", "1"],
        ["each"],
    ],
)
def test_words_that_make_no_sense_are_refused(probe: str, words: list[str]) -> None:
    """A usage mistake is told as JSON and exits with 64."""
    code, answer = ran(probe, *words)
    assert (code, answer["error"]) == (64, "USAGE")


def test_memory_that_the_kernel_refuses_is_told(probe: str) -> None:
    """A mapping beyond the limit is an answer with the errno's name."""
    code, answer = ran("prlimit", f"--as={64 * 2**20}", probe, "memory", "128Mi")
    assert (code, answer["error"]) == (1, "ENOMEM")
    assert answer["message"] == "mapping bytes: 128Mi: no memory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a user who has no processes")
def test_the_limit_of_processes_is_told(probe: str) -> None:
    """A fork beyond the limit says how many there were, and leaves none of them."""
    with unprivileged(probe) as (handle, how):
        code, answer = ran("prlimit", "--nproc=10", handle, "fork", "100", **how)
    assert (code, answer["forked"], answer["error"]) == (1, 9, "EAGAIN")


def test_a_mount_stays_in_its_namespace(probe: str, namespaces: list[str], tmp_path: Path) -> None:
    """The mount has the name that was asked for and is seen inside, never outside."""
    script = '"$0" mount "$1" migrator-test-mount >&2 && exec "$0" report'
    target = str(tmp_path / "new" / "folder")
    done = subprocess.run([*namespaces, "sh", "-c", script, probe, target], capture_output=True, check=True)
    assert json.loads(done.stderr) == {"mounted": True}
    inside = json.loads(done.stdout)["files"]["mountinfo"]
    assert f" {target} " in inside
    assert " tmpfs migrator-test-mount " in inside
    assert "migrator-test-mount" not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def test_a_mount_without_the_right_to_it_is_refused(probe: str) -> None:
    """Without the capability the kernel's refusal is the answer."""
    with unprivileged(probe) as (handle, how):
        code, answer = ran(handle, "mount", "/proc", "name", **how)
    assert (code, answer["error"]) == (1, "EPERM")
    assert ran(probe, "mount", "/dev/null/below", "name")[1]["error"] == "ENOTDIR"


def test_a_shared_memory_segment_stays_in_its_namespace(probe: str, namespaces: list[str]) -> None:
    """The segment has the key that was asked for; a second of that key is refused; it is not seen outside."""
    script = '"$0" shm 305419896 4096 && "$0" shm 305419896 4096; exec "$0" report'
    done = subprocess.run([*namespaces, "sh", "-c", script, probe], capture_output=True, check=True)
    made, again, view = map(json.loads, done.stdout.splitlines())
    assert made == {"shm": 0}
    assert again["error"] == "EEXIST"
    assert "305419896" in view["files"]["/proc/sysvipc/shm"]
    assert "305419896" not in Path("/proc/sysvipc/shm").read_text(encoding="utf-8")


def test_lines_are_numbered(probe: str) -> None:
    """Lines go to stdout in order, each with its number."""
    lines = subprocess.run([probe, "lines", "2000"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[:-1] == [f"migrator-probe line {n:06}" for n in range(1, 2001)]


def answers(text: bytes) -> list[Any]:
    """Read the objects in what a probe wrote; its other lines are left out."""
    return [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]


def test_several_things_are_done_in_one_go(probe: str) -> None:
    """Each verb's answer comes in turn with its exit code after it; one that fails holds up none of the others."""
    words = "lines 2 -- mount /dev/null/below name -- nonsense -- -- memory 1048576"
    done = subprocess.run([probe, "each", *words.split()], capture_output=True, check=False)
    told = answers(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert told[1::2] == [{"exit_code": code} for code in (0, 1, 64, 64, 0)]
    assert (told[0], told[8]) == ({"lines": 2}, {"touched": 1048576})
    assert [told[2]["error"], told[4]["error"], told[6]["error"]] == ["ENOTDIR", "USAGE", "USAGE"]


def test_what_is_killed_among_several_holds_up_none(probe: str) -> None:
    """It gives no answer, and the signal is told as a shell tells it; the next verb is done."""
    with subprocess.Popen([probe, "each", "wait", "--", "lines", "1"], stdout=subprocess.PIPE) as outer:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        until("the first verb", lambda: children.read_text(encoding="utf-8"))
        os.kill(int(children.read_text(encoding="utf-8")), signal.SIGKILL)
        output, _ = outer.communicate(timeout=5)
    assert answers(output) == [{"exit_code": 137}, {"lines": 1}, {"exit_code": 0}]
    assert outer.returncode == 0


# --- as the main process of a container


@pytest.fixture
def waiting(probe: str, namespaces: list[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a probe that waits as PID 1 and has an orphan; give its PID out here."""
    script = '(true &); exec "$0" wait --lines 2'
    outer = subprocess.Popen([*namespaces, "sh", "-c", script, probe], stdout=subprocess.PIPE, text=True)
    with outer:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        until("the probe", lambda: children.read_text(encoding="utf-8"))
        yield outer, int(children.read_text(encoding="utf-8").split()[0])
        outer.kill()


def test_the_main_process_writes_reaps_and_ends_when_told(waiting: tuple[subprocess.Popen[str], int]) -> None:
    """PID 1 writes its lines, leaves no zombie, and exits with 0 on SIGTERM."""
    outer, pid = waiting
    assert outer.stdout is not None
    assert [outer.stdout.readline() for _ in range(2)] == [
        "migrator-probe line 000001\n",
        "migrator-probe line 000002\n",
    ]
    until("no zombie", lambda: not Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8"))
    os.kill(pid, signal.SIGTERM)
    assert outer.wait(5) == 0
    assert outer.stdout.read() == ""


@pytest.fixture
def served(probe: str) -> Iterator[int]:
    """Start a probe that answers on a port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([probe, "wait", "--port", str(port)]) as process:
        yield port
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0


def test_it_answers_with_its_name(probe: str, served: int) -> None:
    """Each connection gets the hostname, by IPv4 and IPv6; the port is taken for others."""
    until("the port", lambda: ran(probe, "connect", "127.0.0.1", str(served))[0] == 0)
    for address in ("127.0.0.1", *(["::1"] if Path("/proc/self/net/if_inet6").read_text() else [])):
        for _ in range(3):
            assert ran(probe, "connect", address, str(served)) == (0, {"connected": True, "said": os.uname().nodename})
    assert ran(probe, "bind", str(served))[1]["error"] == "EADDRINUSE"


def test_a_port_is_free_again(probe: str, served: int) -> None:
    """A port whose connections have just ended can be bound."""
    until("the port", lambda: ran(probe, "connect", "127.0.0.1", str(served))[0] == 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ran(probe, "bind", str(port)) == (0, {"bound": True})
    assert ran(probe, "connect", "127.0.0.1", str(port))[1]["error"] == "ECONNREFUSED"


SAID = [
    (b"plain\nsecond line\n", "plain"),
    (b"no end", "no end"),
    (b"", ""),
    (b'quote " back \\ tab \t nul \x00 escape \x1b del \x7f\n', 'quote " back \\ tab \t nul \x00 escape \x1b del \x7f'),
    ("é € 𝄞\n".encode(), "é € 𝄞"),
    (b"x" * 300 + b"\n", "x" * 200),
    *[
        (data + b"\n", data.decode(errors="replace"))
        for data in (
            b"\xff",
            b"\xc3",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xe2\x82",
            b"\xf4\x90\x80\x80",
            b"\xf0\x9f\xc3\xa9",
        )
    ],
]


def test_any_bytes_become_valid_json(probe: str) -> None:
    """What is not UTF-8 is replaced as everybody replaces it, and control characters are escaped."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for data, _ in SAID:
                caller, _address = server.accept()
                with caller:
                    caller.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        port = str(server.getsockname()[1])
        assert [ran(probe, "connect", "127.0.0.1", port)[1]["said"] for _ in SAID] == [text for _, text in SAID]
        thread.join()


def test_whoever_waits_for_the_caller_need_not(probe: str) -> None:
    """As TLS does: it learns at once that nothing comes, and what it says then is heard."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []

        def answer() -> None:
            caller, _address = server.accept()
            with caller:
                caller.settimeout(1.5)  # the probe hangs up after two seconds
                heard.append(caller.recv(1))
                caller.sendall(b"late\n")

        thread = threading.Thread(target=answer)
        thread.start()
        code, told = ran(probe, "connect", "127.0.0.1", str(server.getsockname()[1]))
        thread.join()

    assert (code, told["said"], heard) == (0, "late", [b""])


ADDRESSES = [
    "127.0.0.1",
    "255.255.255.255",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.x",
    "1..2.3",
    "::",
    "::1",
    "1::",
    "1::2",
    "1:::2",
    "1::2::3",
    ":1",
    "1:",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7::",
    "::1:2:3:4:5:6:7",
    "1:2:3:4::5:6:7:8",
    "::ffff:1.2.3.4",
    "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::g",
    "12345::",
    "FD00::Ab",
    ":",
    ":::",
    "fe80::1%lo",
    "localhost",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_takes_addresses_and_nothing_else(probe: str, address: str) -> None:
    """What is an address for the C library's parser is one for the probe."""
    code, _ = ran(probe, "connect", address, "1", "0")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.inet_pton(family, address)
    except OSError:
        assert code == 64
    else:
        assert code == 1


def test_a_connection_that_nobody_takes_times_out(probe: str) -> None:
    """The time to wait is the one that was asked for."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        code, answer = ran(probe, "connect", "127.0.0.1", str(full.getsockname()[1]), "0.1")
    assert (code, answer["error"]) == (1, "ETIMEDOUT")


# --- as a resolver

CONF = (
    "nameserver 127.0.0.1\nsearch default.svc.cluster.local svc.cluster.local\noptions ndots:5 timeout:1 attempts:1\n"
)
DOTLESS = CONF.replace("ndots:5", "ndots:1")
PATIENT = CONF.replace("timeout:1 attempts:1", "timeout:5 attempts:5")
"""Longer than the test may take, unless the seconds that are asked for count."""
WEB = {"addresses": ["10.0.0.1", "10.0.0.2"], "server": "127.0.0.1", "name": "web.default.svc.cluster.local"}
FAR = {"addresses": ["192.0.2.7"], "server": "127.0.0.1", "name": "example.org"}
SIX = {
    "addresses": [str(ipaddress.ip_address(text)) for text in name_server.SIXES],
    "server": "127.0.0.1",
    "name": "six.example.org",
}
IN_SEARCH = ["{}.default.svc.cluster.local A", "{}.svc.cluster.local A"]

# resolv.conf, name (and the seconds that it may take), answer or error, what was asked for
RESOLVED: list[tuple[str, str, dict[str, Any] | str, list[str]]] = [
    (CONF, "web", WEB, ["web.default.svc.cluster.local A"]),
    (CONF, "web.default.svc.cluster.local.", WEB, ["web.default.svc.cluster.local A"]),
    (CONF, "web.default", WEB, ["web.default.default.svc.cluster.local A", "web.default.svc.cluster.local A"]),
    (CONF, "example.org", FAR, [*(line.format("example.org") for line in IN_SEARCH), "example.org A"]),
    (DOTLESS, "example.org", FAR, ["example.org A"]),
    (DOTLESS, "nobody", "NXDOMAIN", [*(line.format("nobody") for line in IN_SEARCH), "nobody A"]),
    (CONF, "nobody.", "NXDOMAIN", ["nobody A"]),
    (CONF, "two..dots.", "NXDOMAIN", []),
    (CONF, "six.example.org.", SIX, ["six.example.org A", "six.example.org AAAA"]),
    (CONF, "empty.example.org.", "NODATA", ["empty.example.org A", "empty.example.org AAAA"]),
    (CONF, "broken.", "SERVFAIL", ["broken A"]),
    (CONF, "broken", "SERVFAIL", [*(line.format("broken") for line in IN_SEARCH), "broken A"]),
    (CONF, "silent", "TIMEOUT", ["silent.default.svc.cluster.local A"]),
    (PATIENT, "silent 1", "TIMEOUT", ["silent.default.svc.cluster.local A"]),
    (PATIENT, "web 1", WEB, ["web.default.svc.cluster.local A"]),
    (CONF.replace("127.0.0.1", "127.0.0.2"), "web", "ECONNREFUSED", []),
    ("nameserver 127.0.0.2\n" + CONF, "web", WEB, ["web.default.svc.cluster.local A"]),
    (CONF.replace("127.0.0.1", "::1"), "web", {**WEB, "server": "::1"}, ["web.default.svc.cluster.local A"]),
    ("# nothing\nsearch x\n", "web", "NOSERVER", []),
    (CONF.replace("search ", "domain a\nsearch  \t").rstrip("\n"), "web", WEB, ["web.default.svc.cluster.local A"]),
]


@pytest.fixture(scope="module")
def resolved(probe: str, namespaces: list[str]) -> Any:
    """Tell what came of every row of RESOLVED."""
    asked = json.dumps([(conf, [probe, "resolve", *words.split()]) for conf, words, *_ in RESOLVED])
    words = [*namespaces, sys.executable, "-S", name_server.__file__]
    done = subprocess.run(words, input=asked, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("row", range(len(RESOLVED)), ids=[f"{row[1]}-{n}" for n, row in enumerate(RESOLVED)])
def test_a_name_is_looked_up_as_resolv_conf_says(resolved: Any, row: int) -> None:
    """The search list, ndots and servers are used as resolv.conf(5) has them, and failures are told apart."""
    _, _, expected, asked = RESOLVED[row]
    code, answer, was_asked = resolved[row]
    assert was_asked == asked
    if isinstance(expected, str):
        assert (code, answer["error"]) == (1, expected)
    else:
        assert (code, answer) == (0, expected)


# --- on the other architecture


def test_the_other_architecture_does_the_same(tmp_path: Path) -> None:
    """The probe for arm64 reports, acts and refuses like that for amd64."""
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        pytest.skip("qemu-user-static is not installed")
    other = (emulator, written("aarch64", tmp_path))
    view = viewed(*other)
    assert view.files["/etc/hosts"] == Path("/etc/hosts").read_text(encoding="utf-8")
    assert view.names["machine"] == "aarch64"
    assert set(view.lists["/dev"]) == names_in("/dev")
    assert ran(*other, "memory", "1Mi") == (0, {"touched": 2**20})
    assert ran(*other, "fork", "5") == (0, {"forked": 5})
    assert ran(*other, "spin", "0.01")[0] == 0
    assert ran(*other, "mount", "/dev/null/x", "n")[1]["error"] == "ENOTDIR"
    assert ran(*other, "nonsense")[0] == 64
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert ran(*other, "bind", port)[1]["error"] == "EADDRINUSE"


# --- its image


@pytest.mark.parametrize("machine", MACHINES)
def test_the_archive_is_an_oci_layout(machine: str) -> None:
    """Every blob has the digest and the size that its descriptor tells, and the layer is the one of the configuration."""
    image = archive(machine)
    assert json.loads(member(machine, "oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    (described,) = json.loads(member(machine, "index.json"))["manifests"]
    assert described["platform"] == {"architecture": image.architecture, "os": "linux"}
    assert described["annotations"]["io.containerd.image.name"] == image.reference == REFERENCE
    assert described["annotations"]["org.opencontainers.image.ref.name"] == REFERENCE.split(":")[1]
    content = manifest(machine)
    for part in (described, content["config"], *content["layers"]):
        data = blob(machine, part["digest"])
        assert part["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
        assert part["size"] == len(data)
    config = json.loads(blob(machine, content["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in content["layers"]]
    assert config["architecture"] == image.architecture
    assert config["config"]["Entrypoint"] == ["/probe"]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_archive_is_a_docker_archive(machine: str) -> None:
    """The same image is described as `docker load` before 25 reads it."""
    (described,) = json.loads(member(machine, "manifest.json"))
    content = manifest(machine)
    assert described["RepoTags"] == [REFERENCE]
    assert member(machine, described["Config"]) == blob(machine, content["config"]["digest"])
    assert [member(machine, name) for name in described["Layers"]] == [
        blob(machine, layer["digest"]) for layer in content["layers"]
    ]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_archive_tells_nothing_of_where_it_was_made(machine: str) -> None:
    """It is small, and has no time, no owner and no path of a build."""
    data = archive(machine).data
    assert len(data) < 2**20
    for content in (data, blob(machine, manifest(machine)["layers"][0]["digest"])):
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            assert {(entry.mtime, entry.uid, entry.gid, entry.uname) for entry in tar} == {(0, 0, 0, "")}
    assert b"/src/" not in program(machine)
    assert b"GCC" not in program(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_handleneeds_nothing(machine: str) -> None:
    """It is a program for its architecture with no interpreter, no dynamic section and no executable stack."""
    data = program(machine)
    assert data[:5] == b"\x7fELF\x02"
    assert struct.unpack_from("<H", data, 18)[0] == {"x86_64": 62, "aarch64": 183}[machine]
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<II", data, start + i * size) for i in range(count)]
    dynamic, interpreter, stack, executable = 2, 3, 0x6474E551, 1
    assert not {kind for kind, _ in headers} & {dynamic, interpreter}
    assert all(not flags & executable for kind, flags in headers if kind == stack)


def test_the_archives_are_made_of_these_sources() -> None:
    """The tag is a hash of the sources that lie here, so nobody changes the one without the other."""
    assert probe_image.reference() == REFERENCE


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    """An archive that lost a bit, or is gone, is told with its path and what to do."""
    data = bytearray(archive("x86_64").data)
    data[len(data) // 2] ^= 1
    (tmp_path / FILE.format("amd64")).write_bytes(data)
    with pytest.raises(CriError, match="probe-amd64.tar is damaged .* reinstall migrator"):
        archive("x86_64", tmp_path)
    with pytest.raises(CriError, match="probe-arm64.tar cannot be read .* reinstall migrator"):
        archive("aarch64", tmp_path)


def test_a_machine_without_a_probe_is_told() -> None:
    """Another architecture is refused by its name."""
    with pytest.raises(CriError, match="no probe image for nodes of the architecture 'riscv64', only for x86_64 and"):
        archive("riscv64")
