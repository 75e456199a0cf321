"""Whether a command of a unit needs Docker is told by what it runs, not by the word."""

from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.planning.checks.docker_commands import Use, of_line

NONE, UNKNOWN, TRIES, NEEDS = Use.NONE, Use.UNKNOWN, Use.TRIES, Use.NEEDS


def shell(script: str) -> str:
    """Give a command that has a shell run a script."""
    return f"/bin/sh -c {shlex.quote(script)}"


LINES = [
    # Docker's own programs, also through others.
    ("/usr/bin/docker run --rm hyperkube cp kubelet /opt/bin", NEEDS),
    ("-/bin/docker rm kubelet", NEEDS),
    ("/usr/bin/docker-compose up -d", NEEDS),
    ("/usr/bin/dockerd-current -D", NEEDS),
    ("/usr/libexec/docker/docker-runc-current list", NEEDS),
    ("/usr/bin/timeout -k 3 5 /usr/bin/docker info", NEEDS),
    ("/usr/bin/env -u X A=b docker ps", NEEDS),
    ("/usr/bin/taskset -c 0,1 docker ps", NEEDS),
    ("/usr/bin/nsenter -t 1 -m docker ps", NEEDS),
    ("/usr/bin/sudo -u root -- docker ps", NEEDS),
    ("/bin/true ; /usr/bin/docker ps", NEEDS),
    # Its socket, whoever speaks with it.
    ("/usr/bin/curl --unix-socket /var/run/docker.sock http://d/_ping", NEEDS),
    ("/bin/chmod 666 /var/run/docker.sock", NEEDS),
    ("/usr/bin/test -S /run/docker.sock", NEEDS),
    ("/usr/bin/test ! -S /run/docker.sock", NONE),
    ("/usr/bin/test -x /usr/bin/docker", NEEDS),
    ("/bin/rm -f /var/run/docker.sock", NONE),
    # Its units.
    ("/bin/systemctl start docker", NEEDS),
    ("/bin/systemctl is-active docker.service", NEEDS),
    ("/bin/systemctl stop docker.socket", UNKNOWN),
    ("/bin/systemctl restart containerd", NONE),
    # Names.
    ("/usr/sbin/groupadd docker", NONE),
    ("/usr/sbin/usermod -aG docker admin", NONE),
    ("/usr/bin/sudo -u docker groupadd docker", NONE),
    ("/bin/chown root:docker /etc/docker", NONE),
    ("/opt/docker-tools/prepare", NONE),
    ("/opt/dockerless/bin/prepare --docker-free", NONE),
    ("/sbin/iptables -N DOCKER-USER", NONE),
    ("/usr/bin/kubelet --docker-endpoint=unix:///var/run/docker.sock", NONE),
    ("", NONE),
    ("-", NONE),
    # What nobody can tell.
    ("/opt/bin/wait-for-docker.sh", UNKNOWN),
    ("/usr/bin/python3 -c 'import docker; docker.from_env()'", UNKNOWN),
    ("/bin/sh /opt/x.sh docker", UNKNOWN),
    ("/bin/mount -o bind /data /var/lib/docker", UNKNOWN),
    ("/bin/sh -c 'echo \"unclosed docker", UNKNOWN),
    # Scripts for a shell.
    (shell("docker info"), NEEDS),
    (shell("until docker info; do sleep 1; done"), NEEDS),
    (shell("while ! docker info; do sleep 1; done"), NEEDS),
    (shell("cat x | docker load"), NEEDS),
    (shell("(docker ps)"), NEEDS),
    (shell("true\ndocker ps"), NEEDS),
    (shell("X=$(docker ps -q); echo $X"), TRIES),
    (shell("X=`docker ps -q`"), NEEDS),
    (shell("command -v docker && docker ps"), NEEDS),
    (shell("[ -S /var/run/docker.sock ] || exit 1"), NEEDS),
    (shell("if true; then docker ps; fi"), NEEDS),
    (shell("if docker ps; then echo x; fi; docker ps"), NEEDS),
    (shell("exec /usr/bin/docker run kubelet"), NEEDS),
    (shell("while [ ! -S /var/run/docker.sock ]; do sleep 1; done"), NEEDS),
    (shell("until [ -S /var/run/docker.sock ]; do sleep 1; done"), NEEDS),
    (shell("until test -e /run/docker.sock; do sleep 1; done; true"), NEEDS),
    (shell("while [ -S /var/run/docker.sock ]; do sleep 1; done"), NONE),
    (shell("until [ ! -S /var/run/docker.sock ]; do sleep 1; done"), NONE),
    (shell("if [ ! -S /run/docker.sock ]; then echo no; exit 1; fi"), NEEDS),
    (shell("if ! docker info; then exit 1; fi"), NEEDS),
    (shell("if docker info; then :; else exit 1; fi"), NEEDS),
    (shell("if [ -S /run/docker.sock ]; then exit 1; fi"), NONE),
    (shell("if [ -f /x ]; then exit 1; fi; if docker info; then :; fi"), TRIES),
    (shell("[ ! -S /run/docker.sock ] && exit 1; true"), NEEDS),
    (shell("! docker info && exit 1; true"), NEEDS),
    (shell("docker rm -f kubelet; exit 0"), TRIES),
    (shell("set -e; docker rm -f kubelet; exit 0"), NEEDS),
    ("/bin/sh -ec 'docker rm -f kubelet; exit 0'", NEEDS),
    (shell("test -S /run/docker.sock; true"), NONE),
    (shell("getent group docker || groupadd docker"), NONE),
    ("/usr/bin/podman run docker.io/library/x", NONE),
    ("/usr/bin/env DOCKER_HOST=unix:///var/run/docker.sock /bin/true", NONE),
    ("/bin/bash /etc/docker/prepare.sh", UNKNOWN),
    (shell("docker rm -f kubelet || true"), TRIES),
    (shell("docker rm -f kubelet 2>/dev/null || exit 0"), TRIES),
    (shell("docker stop $(docker ps -q) || :"), TRIES),
    (shell("if [ -S /run/docker.sock ]; then docker ps; fi"), TRIES),
    (shell("if docker ps; then echo x; fi"), TRIES),
    (shell("test -S /run/docker.sock || true"), NONE),
    (shell("[ ! -S /var/run/docker.sock ]"), NONE),
    (shell("! test -S /var/run/docker.sock"), NONE),
    (shell("echo docker; groupadd -f docker"), NONE),
    (shell("ps ax | grep docker"), NONE),
    (shell("$DOCKER info"), UNKNOWN),
    (shell("for name in docker x; do rm $name; done"), UNKNOWN),
    # A test of what Docker says, and an end by it.
    ("/bin/bash -c '[[ $(docker info -f x) == systemd ]]'", NEEDS),
    (shell('test -n "$(docker ps -q)"'), NEEDS),
    (shell('test -n "$$(docker ps -q)"'), NEEDS),
    (shell('[ "$(docker info | wc -l)" -gt 3 ]'), NEEDS),
    (shell('if [ -n "`docker ps -q`" ]; then :; else exit 1; fi'), NEEDS),
    (shell('if [ -n "$(docker ps -q)" ]; then echo x; fi'), TRIES),
    (shell('[ -z "$(docker ps -q)" ]'), TRIES),
    (shell('[ "$(docker ps -q)" != x ]'), TRIES),
    (shell("exit $(docker ps)"), NEEDS),
    (shell("docker info; exit $?"), NEEDS),
    (shell("docker info; exit $$?"), NEEDS),
    (shell("docker info; true; exit"), TRIES),
    # A file whose script a shell runs.
    ("/bin/bash /opt/docker-ready.sh", UNKNOWN),
    ("/bin/bash -o pipefail -x /opt/docker-ready.sh -c x", UNKNOWN),
    ("/bin/bash --rcfile /x /opt/docker-ready.sh", UNKNOWN),
    ("/bin/bash /opt/ready.sh", NONE),
    ("/bin/bash -c -e 'docker info; true'", NEEDS),
    # Options of shells.
    (shell("set -o errexit; docker info; true"), NEEDS),
    (shell("set -euo pipefail; docker info | cat; true"), NEEDS),
    (shell("set -o pipefail; docker info | cat"), NEEDS),
    (shell("set -e; set +e; docker info; true"), TRIES),
    (shell("set -e; set +o errexit; docker info; true"), TRIES),
    (shell("docker info | cat"), TRIES),
    ("/bin/bash -o pipefail -c 'docker info | cat'", NEEDS),
    ("/bin/bash -eo pipefail -c 'docker info | cat; true'", NEEDS),
    ("/bin/bash -o errexit -c 'docker info; true'", NEEDS),
    # Pipes whose end reads nothing.
    (shell("until docker ps | grep -q etcd; do sleep 1; done"), NEEDS),
    (shell("docker ps | sort | /bin/grep etcd"), NEEDS),
    (shell("docker info | jq -e .x"), NEEDS),
    (shell("docker info | jq .x"), TRIES),
    (shell("docker info | awk '/x/ {f=1} END {exit !f}'"), NEEDS),
    (shell("docker info | awk '{print}'"), TRIES),
    (shell("docker ps | grep -q etcd || true"), TRIES),
    # Loops.
    (shell("for i in $(seq 30); do docker info && exit 0; sleep 1; done; exit 1"), NEEDS),
    (shell("for i in 1 2 3; do docker info && break; sleep 1; done"), TRIES),
    (shell("for i in 1 2\ndo docker info || exit 1; done"), NEEDS),
    (shell("for c in $(docker ps -q); do docker rm $c; done"), TRIES),
    (shell("for i in; do docker info; done"), NONE),
    (shell("while true; do docker info && break; sleep 1; done"), NEEDS),
    (shell("while :; do if docker info; then break; fi; sleep 1; continue; done"), NEEDS),
    (shell("for i in a b; do rm $i; done"), NONE),
    # What cannot be followed, and calls Docker.
    (shell("case x in x) docker info;; esac"), NEEDS),
    (shell("f() { docker info; }; f"), NEEDS),
    (shell("f() { /usr/bin/docker info; }; f"), NEEDS),
    (shell("f() { docker rm -f x || true; }; f"), UNKNOWN),
    (shell("f() { groupadd docker; }; f"), UNKNOWN),
    (shell("f() { /opt/docker/x; }; f"), UNKNOWN),
]


@pytest.mark.parametrize(("line", "use"), LINES)
def test_a_command_is_judged_by_what_it_runs(line: str, use: Use) -> None:
    """Through wrappers and shells, with what becomes of a failure."""
    assert of_line(line) is use


WRAPPERS = ["/usr/bin/nice -n 5 {}", "/usr/bin/timeout 30 {}", "@/bin/env A=b {}", "+/usr/bin/ionice -c 3 {}", "!!{}"]
ONE_COMMAND = [(line, use) for line, use in LINES if line.startswith("/") and " ; /" not in line]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(("line", "use"), ONE_COMMAND)
def test_a_wrapper_changes_nothing(wrapper: str, line: str, use: Use) -> None:
    """What starts a program needs what the program needs."""
    assert of_line(wrapper.format(line)) is use


@given(st.text(alphabet="docker /.;&|()'\"$`!-=[]{}\nsockif", max_size=60))
def test_no_line_is_too_strange(line: str) -> None:
    """Whatever stands there has a verdict, in a shell too."""
    assert of_line(line) in Use
    assert of_line(shell(line)) in Use


@given(
    st.lists(st.sampled_from(["true", "echo x", "rm -f a", "sleep 1", "groupadd docker"]), max_size=4),
    st.integers(0, 4),
)
def test_a_call_is_found_wherever_it_stands(others: list[str], place: int) -> None:
    """Among commands that need nothing, in whatever order; a script without one needs nothing."""
    commands = [*others[:place], "docker run x", *others[place:], "exec kubelet"]

    assert of_line(shell("; ".join(others))) is NONE
    for join in ("; ", " && ", "\n", " | ", " & "):
        assert of_line(shell(join.join(commands))) is NEEDS


ENDLESS = {
    "wrappers": "/usr/bin/" + "env " * 20_000 + "docker ps",
    "groups": shell("(" * 5_000 + "docker ps" + ")" * 5_000),
    "commands": shell("; ".join([f"a{number}" for number in range(2_000)] + ["docker ps"])),
    "loops": shell("while a; do " * 60 + "docker ps" + "; done" * 60),
    "substitutions": shell("a " + "$(docker ps; a; b; c; d; e; f; g) " * 300),
}


@pytest.mark.parametrize("line", ENDLESS.values(), ids=ENDLESS)
def test_a_line_of_a_hostile_node_ends_soon(line: str) -> None:
    """And is not taken for one that has nothing to do with Docker."""
    started = time.process_time()

    assert of_line(line) is not NONE
    assert time.process_time() - started < 20
