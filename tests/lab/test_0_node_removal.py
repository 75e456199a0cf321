"""Docker is removed from a real node that has left it, with all that is its own; nothing of others goes with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.nodeside import COMMAND, JOURNALS, LAST, REMOTE, Node, lose

ROOT = "/var/lib/docker"
RECORD = "/var/lib/migrator/cleanup.json"
NET = "/proc/self/ns/net"


@pytest.fixture
def left(node: Node) -> Iterator[Node]:
    """Give a node on containerd whose Docker was retired, with what is usually left of it."""
    node.foreign("ci", "--volume db:/db --volume /own")
    node.docker_pod()
    result = node.forth()
    assert result["outcome"] == "switched", result
    node.do("docker stop -t 0 ci >/dev/null; mkdir -p /var/lib/dockershim/sandbox /srv/mine; echo x > /srv/mine/precious\n"
            "touch /var/lib/dockershim/sandbox/1")  # fmt: skip
    answer = node.ask("docker_stop")
    assert answer == {"changed": True, "kept": []}
    yield node
    node.do("rm -rf /srv/mine /var/lib/dockershim")


def look(node: Node) -> dict[str, Any]:
    """Look at what is left."""
    answer = node.ask("docker_removal", state="look")
    assert answer["changed"] is False
    found: dict[str, Any] = answer["removal"]
    return found


def absent(node: Node, expected: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Have that removed."""
    return node.ask("docker_removal", state="absent", expected=expected, **more)


def untouched(node: Node) -> None:
    """See that nothing was removed."""
    assert node.run("dpkg-query -W -f '${db:Status-Status}' docker.io").stdout == "installed"
    assert node.at(f"{ROOT}/overlay2").is_dir()
    assert not node.at(RECORD).exists()
    assert node.run("ip link show docker0").returncode == 0


def gone(node: Node) -> None:
    """See that all is, and that the node serves on."""
    assert "installed" not in node.run("dpkg-query -W -f '${db:Status-Status}' docker.io 2>&1").stdout.split()
    for path in (ROOT, "/run/docker", "/run/docker.sock", "/run/docker.pid", "/var/lib/dockershim", RECORD):
        assert not node.lexists(path), path
    assert node.run("ip link show docker0").returncode != 0
    assert "DOCKER" not in node.do("iptables-save")
    assert "docker0" not in node.do("iptables-save")
    assert node.words() == [*COMMAND, *REMOTE, *LAST]
    assert node.active("containerd")


def test_what_is_left_is_seen(left: Node) -> None:
    """Everything that would go and everything that stays, each by its name; nothing speaks against it."""
    found = look(left)

    assert list(found["packages"]) == ["docker.io"]
    assert found["packages"]["docker.io"].startswith("20.10.24")
    assert set(found["keeps"]) == {"containerd", "runc", "crun", "iptables"}
    assert (found["units"], found["active"], found["dependents"]) == (["docker.socket", "docker.service"], [], [])
    assert found["root"] == ROOT
    names = {entry["path"].removeprefix(f"{ROOT}/") for entry in found["data"]}
    assert {"image", "containers", "overlay2", "volumes", "network", "tmp"} <= names
    assert 1_000_000 < sum(entry["bytes"] for entry in found["data"]) < 20_000_000
    assert (found["containers"], found["volumes"], found["interfaces"]) == (["ci"], ["db"], ["docker0"])
    assert found["files"] == ["/run/docker.sock", "/run/docker", "/var/lib/dockershim"]
    assert any(rule.endswith("-X DOCKER-USER") for rule in found["rules"])
    nothing = (
        "others",
        "special",
        "strange",
        "shared",
        "mounts",
        "stuck",
        "running",
        "plugged",
        "kept_rules",
        "passing",
    )
    assert {name: found[name] for name in nothing} == {name: [] for name in nothing}
    assert found["refusal"] == ""
    assert left.ask("docker_removal", state="absent", check=True, expected={})["removal"] == found
    untouched(left)


def test_all_of_docker_goes(left: Node) -> None:
    """Packages, data, files, interfaces, rules and what was kept for the way back; pods of containerd live on."""
    with_links(left)
    pod = left.cri_pod()
    process = left.do("ctr -n k8s.io tasks list | tail -n +2").split()[1]
    left.do("iptables -A INPUT -p udp --dport 9 -j ACCEPT; iptables -t nat -N MINE")
    left.do("ln -sf /srv/mine/precious /run/docker.sock")  # a link is somebody's own
    found = look(left)
    assert "/run/docker.sock" not in found["files"]

    answer = absent(left, found)

    assert answer == {"changed": True, "problems": []}
    left.do("rm -f /run/docker.sock")
    gone(left)
    assert set(left.do("apt-mark showmanual").split()) >= {"containerd", "runc"}
    assert left.run(f"grep -q '^State:.[^Z]' /proc/{process}/status").returncode == 0
    assert left.at("/srv/mine/precious").read_text() == "x\n"
    assert not left.at(f"{JOURNALS}/t/reserve").exists()
    saved = left.do("iptables-save")
    assert "--dport 9" in saved
    assert ":MINE" in saved
    assert pod
    again = look(left)
    assert not any(again[name] for name in ("packages", "data", "files", "rules", "interfaces", "units", "passing"))


def with_links(node: Node) -> None:
    """Have links in Docker's data that lead to what is somebody's."""
    node.do(f"ln -s /srv/mine {ROOT}/volumes/db/_data/link; ln -s /srv/mine/precious {ROOT}/plugins/file")


CUTS = {
    "before its units are disabled": ("systemctl", 'case "$*" in disable*) kill -KILL $PPID; exit 1;; esac', ""),
    "before dpkg": ("dpkg", 'case "$*" in --remove*) kill -KILL $PPID; exit 1;; esac', ""),
    "after dpkg": ("dpkg", 'case "$*" in --remove*) $real "$@"; kill -KILL $PPID; exit 1;; esac', ""),
    "in its data": ("", "", "!unlink 20"),
    "in its folders": ("", "", "!rmdir 9"),
    "before its record goes": ("dpkg-query", "test -e /var/lib/docker || { kill -KILL $PPID; exit 1; }", ""),
}  # fmt: skip


@pytest.mark.parametrize(("program", "script", "fails"), CUTS.values(), ids=CUTS)
def test_a_removal_may_be_cut_short_anywhere(program: str, script: str, fails: str, left: Node) -> None:
    """The next one needs no other consent than the first, knows where the data was, and completes it."""
    if program in {"dpkg", "systemctl"}:
        left.do(
            f'mkdir -p /data; mv {ROOT} /data/docker; echo \'{{"data-root": "/data/docker"}}\' > /etc/docker/daemon.json'
        )
    shown = look(left)
    if program:
        left.wrap(program, script)
    process = left.begin("docker_removal", {"state": "absent", "expected": shown}, fails=fails)
    assert process.communicate(timeout=120)[0] == ""
    left.unwrap()
    assert json.loads(left.at(RECORD).read_text()) == shown
    left.do("rm -f /etc/docker/daemon.json")
    if program == "systemctl":
        left.at("/etc/docker/daemon.json").write_text('{"data-root": "/data/docker"}')

    again = look(left)

    assert set(again["containers"]) <= {"ci"}
    assert set(again["volumes"]) <= {"db"}
    assert again["strange"] == []
    if program != "dpkg" or "$real" in script:
        assert again["root"] == shown["root"]
        assert absent(left, again) == {"changed": True, "problems": []}
        gone(left)
        assert not left.lexists("/data/docker")


def test_what_cannot_go_is_told_and_found_by_the_next(left: Node) -> None:
    """An unreadable sector, say: all else is gone, what stays is named, and what was agreed to is remembered."""
    answer = absent(left, look(left), fails="unlink 30")

    assert answer["failed"] is True
    assert answer["msg"].startswith("not all is gone: ")
    assert "Input/output error" in answer["msg"]
    assert answer["msg"].endswith("; a cleanup of the same node goes on")
    assert left.at(RECORD).exists()
    assert absent(left, look(left)) == {"changed": True, "problems": []}
    gone(left)


# What forbids it.

AGAINST: dict[str, tuple[str, str, str, str]] = {
    "something else in its folder": (f"mkdir {ROOT}/mine", f"not only Docker's: {ROOT}/mine", "", "others"),
    "no images": (f"rm -r {ROOT}/image", f"not only Docker's: {ROOT}", "", "strange"),
    "no containers": (f"rm -r {ROOT}/containers", f"not only Docker's: {ROOT}", "", "strange"),
    "a store that is no folder of files": (f"mkdir {ROOT}/zfs", f"no plain folder of files: {ROOT}/zfs", "", "special"),
    "containerd's data": (f"mkdir -p {ROOT}/containerd/root; sed -i 's,^version,root = \"{ROOT}/containerd/root\"\\nversion,' /etc/containerd/config.toml", f"somebody else's data lies there: {ROOT}/containerd/root", "", "shared"),
    "a unit that needs it": ("printf '[Unit]\\nRequires=docker.service\\n[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/ci.service; systemctl -q enable ci", "these units need it: ci.service", "", "dependents"),
    "a package that needs it": ("mkdir -p /root/ci/DEBIAN; printf 'Package: ci\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDepends: docker.io\\nDescription: x\\n' > /root/ci/DEBIAN/control; dpkg-deb -b /root/ci /root/ci.deb >/dev/null; dpkg -i /root/ci.deb >/dev/null", "the packages cannot be removed alone: ", "dpkg -r ci", "refusal"),
    "a program that is locked": ("chattr +i /usr/sbin/dockerd", "the packages cannot be removed alone: their files cannot be removed: /usr/sbin/dockerd (immutable)", "chattr -i /usr/sbin/dockerd", "refusal"),
    "a dpkg that was interrupted": ("touch /var/lib/dpkg/updates/0001", "the packages cannot be removed alone: dpkg is at work", "rm /var/lib/dpkg/updates/0001", "refusal"),
    "a layer that is locked": (f"touch {ROOT}/overlay2/x; chattr +i {ROOT}/overlay2/x", f"this cannot be removed: {ROOT}/overlay2/x (immutable)", f"chattr -i {ROOT}/overlay2/x", "stuck"),
    "a volume that is locked": (f"chattr +a {ROOT}/volumes/db/_data", f"this cannot be removed: {ROOT}/volumes/db/_data (append-only)", f"chattr -a {ROOT}/volumes/db/_data", "stuck"),
    "a part that is locked": (f"chattr +i {ROOT}/image", f"this cannot be removed: {ROOT}/image (immutable)", f"chattr -i {ROOT}/image", "stuck"),
    "its folder that is locked": (f"chattr +i {ROOT}", f"this cannot be removed: {ROOT} (immutable)", f"chattr -i {ROOT}", "stuck"),
    "what dockershim left is locked": ("chattr +i /var/lib/dockershim", "this cannot be removed: /var/lib/dockershim (immutable)", "chattr -i /var/lib/dockershim", "stuck"),
    "a disk that is read-only": (f"mount --bind {ROOT} {ROOT}; mount -o remount,bind,ro {ROOT}", f"this cannot be removed: {ROOT} (read-only)", f"umount {ROOT}", "stuck"),
    "a tmpfs in the run folder": ("mkdir -p /run/docker/p; mount -t tmpfs none /run/docker/p", "something is mounted in what would go, or from there: /run/docker/p", "umount /run/docker/p", "mounts"),
    "a file in the run folder": ("touch /run/docker/x; mount --bind /srv/mine/precious /run/docker/x", "or from there: /run/docker/x", "umount /run/docker/x", "mounts"),
    "the run folder itself": ("mount -t tmpfs none /run/docker", "or from there: /run/docker", "umount /run/docker", "mounts"),
    "something else among the namespaces": ("mkdir -p /run/docker/netns; touch /run/docker/netns/x; mount --bind /srv/mine/precious /run/docker/netns/x", "or from there: /run/docker/netns/x", "umount /run/docker/netns/x", "mounts"),
    "a namespace of another kind": ("mkdir -p /run/docker/netns; touch /run/docker/netns/u; mount --bind /proc/self/ns/uts /run/docker/netns/u", "or from there: /run/docker/netns/u", "umount /run/docker/netns/u", "mounts"),
    "a namespace in its data": (f"touch {ROOT}/overlay2/n; mount --bind {NET} {ROOT}/overlay2/n", f"or from there: {ROOT}/overlay2/n", f"umount {ROOT}/overlay2/n", "mounts"),
    "a checkpoint of dockershim's": ("mount -t tmpfs none /var/lib/dockershim/sandbox", "or from there: /var/lib/dockershim/sandbox", "umount /var/lib/dockershim/sandbox", "mounts"),
    "a volume of the same file system": (f"mount --bind /srv/mine {ROOT}/volumes/db/_data", f"or from there: {ROOT}/volumes/db/_data", f"umount {ROOT}/volumes/db/_data", "mounts"),
    "a store of its own": (f"mount -t tmpfs none {ROOT}/overlay2", f"or from there: {ROOT}/overlay2", f"umount {ROOT}/overlay2", "mounts"),
    "a volume that is used elsewhere": (f"mount --bind {ROOT}/volumes/db/_data /mnt", "or from there: /mnt", "umount /mnt", "mounts"),
    "layers that are used elsewhere": (f"mkdir -p {ROOT}/overlay2/a {ROOT}/overlay2/b; mount -t overlay -o lowerdir={ROOT}/overlay2/a:{ROOT}/overlay2/b none /mnt", "or from there: /mnt", "umount /mnt", "mounts"),
    "a container that runs": ("systemctl start docker.socket docker; docker start ci >/dev/null; pkill -KILL dockerd; systemctl stop docker.socket docker", "containers of Docker run: ", "pkill -x containerd-shim || true", "running"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "said", "after", "where"), AGAINST.values(), ids=AGAINST)
def test_what_forbids_it_is_found_before_anything_is_removed(
    script: str, said: str, after: str, where: str, left: Node
) -> None:
    """The look says so to the plan, and the removal looks again."""
    shown = look(left)
    left.do(script)
    try:
        assert look(left)[where]
        answer = absent(left, shown)
        assert answer["failed"] is True
        assert answer["msg"].startswith("nothing was removed: ")
        assert said in answer["msg"]
        assert left.run("dpkg-query -W -f '${db:Status-Status}' docker.io").stdout == "installed"
        assert left.at(f"{ROOT}/overlay2").is_dir()
        assert not left.at(RECORD).exists()
    finally:
        left.do(after or "true")
        if "image" in script or "containers" in script or "zfs" in script or "mine" in script:
            left.do(f"rm -rf {ROOT}/mine {ROOT}/zfs; mkdir -p {ROOT}/image {ROOT}/containers")
        left.do(f"rm -rf {ROOT}/containerd")


def test_a_kubelets_folder_in_its_data_forbids_it(left: Node) -> None:
    """Wherever the kubelet that runs keeps what it has, by its command line."""
    shown = look(left)
    extra = left.at("/etc/default/kubelet")
    extra.write_text(f"KUBELET_EXTRA_ARGS=--root-dir={ROOT}/volumes/kubelet\n")
    left.do("systemctl restart kubelet; sleep 0.2")

    assert look(left)["shared"] == [f"{ROOT}/volumes/kubelet"]
    assert absent(left, shown)["msg"] == f"nothing was removed: somebody else's data lies there: {ROOT}/volumes/kubelet"
    untouched(left)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("containers", [], "a container that was not shown: ci"),
        ("volumes", [], "a volume that was not shown: db"),
        ("packages", {}, "a package that was not shown: docker.io"),
        ("interfaces", [], "an interface"),
        ("files", ["/run/docker", "/run/docker.sock"], "a file that was not shown: /var/lib/dockershim"),
        ("root", "/elsewhere", f"Docker's data is in {ROOT} now, not in /elsewhere"),
        ("rules", [], "a rule that was not shown"),
        ("data", [], f"a folder that was not shown: {ROOT}/"),
    ],
)
def test_what_nobody_agreed_to_keeps_it_from_beginning(name: str, value: object, said: str, left: Node) -> None:
    """It may have come since it was shown."""
    answer = absent(left, {**look(left), name: value})

    assert answer["msg"].startswith("nothing was removed: ")
    assert said.replace("an interface", "a interface that was not shown: docker0") in answer["msg"]
    untouched(left)


def test_a_dockerd_that_does_not_stop_loses_nothing(left: Node) -> None:
    """One that no unit of Docker's started, or that is started again."""
    shown = look(left)
    left.do("cp /bin/sleep /run/dockerd; systemd-run -q -u rogue /run/dockerd 1000")

    answer = absent(left, shown)

    assert (answer["failed"], answer["msg"]) == (True, "Docker does not stop: /run/dockerd")
    assert left.run("dpkg-query -W -f '${db:Status-Status}' docker.io").stdout == "installed"
    assert left.at(f"{ROOT}/overlay2").is_dir()
    left.do("systemctl stop rogue; rm /run/dockerd")
    assert look(left)["root"] == ROOT


def test_a_docker_that_runs_without_containers_is_stopped(left: Node) -> None:
    """What was stopped may have been started again; its socket would start it once more."""
    left.do("systemctl -q enable --now docker.socket docker.service")
    found = look(left)
    assert found["active"] == ["docker.socket", "docker.service"]

    assert absent(left, found) == {"changed": True, "problems": []}

    gone(left)


def test_namespaces_that_dockerd_left_are_no_obstacle(left: Node) -> None:
    """Every node with a pod on the host's network has one; a process keeps its own."""
    left.do(
        f"mkdir -p /run/docker/netns; touch /run/docker/netns/default; for i in 1 2; do mount --bind {NET} /run/docker/netns/default; done"
    )
    found = look(left)

    assert found["namespaces"] == ["/run/docker/netns/default"]
    assert found["mounts"] == []
    assert absent(left, found) == {"changed": True, "problems": []}
    gone(left)


def test_a_bridge_that_is_used_and_rules_of_others_stay(left: Node) -> None:
    """And are told."""
    left.do("ip link add br-0123456789ab type bridge; ip link add other type veth peer name another; ip link set other master br-0123456789ab\n"
            "iptables -I DOCKER-USER -s 192.0.2.0/24 -j DROP; iptables -A INPUT -i docker0 -p udp -j ACCEPT")  # fmt: skip
    try:
        found = look(left)
        assert found["plugged"] == ["br-0123456789ab"]
        assert found["interfaces"] == ["docker0"]
        assert found["kept_rules"] == [
            "iptables -t filter -A DOCKER-USER -s 192.0.2.0/24 -j DROP", "iptables -t filter -A INPUT -i docker0 -p udp -j ACCEPT",
        ]  # fmt: skip
        assert not [rule for rule in found["rules"] if "DOCKER-USER" in rule]
    finally:
        left.do("ip link delete other; ip link delete br-0123456789ab; iptables -D DOCKER-USER -s 192.0.2.0/24 -j DROP\n"
                "iptables -D INPUT -i docker0 -p udp -j ACCEPT")  # fmt: skip


def test_another_program_at_dpkg_is_waited_for(left: Node) -> None:
    """Nothing is removed meanwhile."""
    shown = look(left)
    holder = "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(100)"
    left.do(f'systemd-run -q -u holder python3 -c "{holder}"; sleep 0.3')

    answer = absent(left, shown, limits={"migrator_docker_packages.LOCK_SECONDS": 1})

    assert answer["msg"] == "another program has had dpkg locked for 1 s"
    untouched(left)
    process = left.begin("docker_removal", {"state": "absent", "expected": shown})
    left.do("sleep 1")
    untouched(left)
    lose(process)
    left.do("systemctl stop holder")


def test_where_docker_keeps_its_data(left: Node) -> None:
    """As Docker finds it, though it is stopped; a folder behind a link is where it leads."""
    config = left.at("/etc/docker/daemon.json")
    left.do("mkdir -p /data/d /data/e; ln -s /data/e /data/link")
    config.write_text('{"data-root": "/data/link"}')
    assert look(left)["root"] == "/data/e"
    config.write_text("{")
    answer = left.ask("docker_removal", state="look")
    assert (answer["failed"], "the folder of Docker's data is not known" in answer["msg"]) == (True, True)
    config.unlink()
    left.do("mkdir -p /etc/systemd/system/docker.service.d; printf '[Service]\\nEnvironment=PLACE=/data/d\\nExecStart=\\n"
            "ExecStart=/usr/sbin/dockerd --data-root ${PLACE}\\n' > /etc/systemd/system/docker.service.d/x.conf; systemctl daemon-reload")  # fmt: skip
    assert look(left)["root"] == "/data/d"
    left.do("rm -r /data")


def test_a_container_that_cannot_be_read_is_somebodys(left: Node) -> None:
    """By its id."""
    identity = left.do(f"ls {ROOT}/containers").strip()
    path = left.at(f"{ROOT}/containers/{identity}/config.v2.json")
    kept = path.read_text()
    path.write_text('{"Name": ')
    assert look(left)["containers"] == [identity[:12]]
    path.unlink()
    assert look(left)["containers"] == [identity[:12]]
    path.write_text(kept)


def test_rpm_is_asked_where_it_keeps_the_packages(left: Node) -> None:
    """The runtime's own packages are marked first, so that nobody takes them for orphans."""
    for name, script in {
        "rpm": 'echo "rpm $*" >> /run/rpm; case "$1" in -qa) printf "docker-ce 26.1-1\\ncontainerd.io 1.7-1\\n";; esac',
        "dnf": 'echo "dnf $*" >> /run/rpm',
    }.items():
        left.at(f"/usr/bin/{name}").write_text(f"#!/bin/sh\n{script}\n")
        left.at(f"/usr/bin/{name}").chmod(0o755)
    left.do("mv /var/lib/dpkg/status /var/lib/dpkg/status.kept")
    try:
        found = look(left)
        assert (found["packages"], found["keeps"]) == ({"docker-ce": "26.1-1"}, {"containerd.io": "1.7-1"})
        left.do("rm /run/rpm")
        answer = absent(left, found)
        assert "docker-ce" in answer["msg"]
        told = left.at("/run/rpm").read_text().splitlines()
        assert [line for line in told if line.startswith("dnf") or "-e" in line.split()] == [
            "rpm -e --test docker-ce", "dnf -q mark install containerd.io", "rpm -e docker-ce",
        ]  # fmt: skip
    finally:
        left.do("mv /var/lib/dpkg/status.kept /var/lib/dpkg/status; rm -f /usr/bin/rpm /usr/bin/dnf /run/rpm")


# Stopping it.


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("docker run -d --name ci registry.lab:5000/lab/busybox:1 -c 'sleep 1000 & wait'", "containers run in it: ci"),
        ("printf '[Unit]\\nRequires=docker.service\\n[Service]\\nExecStart=/bin/sleep 9\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/ci.service; systemctl -q enable ci", "units need it: ci.service"),
        ("systemd-run -q -u watch sh -c 'docker events'; sleep 0.3", "programs are connected to it: docker"),
    ],
)  # fmt: skip
def test_a_docker_that_somebody_uses_is_not_stopped(script: str, said: str, node: Node) -> None:
    """It is told who; in check mode nothing is stopped either."""
    node.forth()
    assert node.ask("docker_stop", check=True) == {"changed": True, "kept": []}
    node.do(script)

    assert node.ask("docker_stop") == {"changed": False, "kept": [said]}
    assert node.active("docker")
    node.do("systemctl stop watch 2>/dev/null || true")


def test_a_docker_that_stands_is_left_alone(left: Node) -> None:
    """Asked again there is nothing to do."""
    assert left.ask("docker_stop") == {"changed": False, "kept": []}
    assert not left.active("docker")
    assert not left.enabled("docker.service")
    assert not left.enabled("docker.socket")


# What changes meanwhile: packages take their time to go.


MEANWHILE: dict[str, tuple[str, list[str]]] = {
    "a bridge gets a member": (
        "ip link add other type veth peer name another; ip link set other master docker0",
        ["docker0 stays: something is plugged into it by now"],
    ),
    "something is mounted in memory": (
        "mkdir -p /run/docker/plugins; mount -t tmpfs none /run/docker/plugins",
        [
            "/run/docker/plugins stays: it belongs to another file system",
            "/run/docker goes at the next boot",
        ],
    ),
    "somebody has the firewall": (
        "printf '#!/bin/sh\\necho held by another >&2; exit 4\\n' > /usr/local/sbin/iptables; chmod +x /usr/local/sbin/iptables",
        [
            "rules and bridges stay: the firewall's rules cannot be read: iptables -w 10 -t filter: held by another",
        ],
    ),
}


@pytest.mark.parametrize(("script", "told"), MEANWHILE.values(), ids=MEANWHILE)
def test_once_packages_are_gone_nothing_ends_it(script: str, told: list[str], left: Node) -> None:
    """The rest goes, what cannot is told, and nothing fails for it."""
    found = look(left)
    left.wrap("dpkg", f'case "$*" in --remove*) $real "$@"; {script}; exit 0;; esac')

    answer = absent(left, found)
    left.unwrap()
    left.do("umount /run/docker/plugins 2>/dev/null || true; ip link delete other 2>/dev/null || true")

    assert answer["problems"][: len(told)] == told
    assert not left.lexists(ROOT)
    assert not left.lexists(RECORD)
