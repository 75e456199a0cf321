"""A rehearsal beside a node that serves: nobody notices it, and nothing of it stays."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lab import network
from tests.lab.conftest import Lab

NODE, OTHER = "worker-2", "worker-1"
CLIENT = """
import http.client, sys, time
address, good, bad, slow = sys.argv[1], 0, [], 0.0
until = time.monotonic() + 3600
while time.monotonic() < until:
    begun = time.monotonic()
    try:
        connection = http.client.HTTPConnection(address, 8081, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        good += 1
    except Exception as error:
        bad.append(repr(error))
    slow = max(slow, time.monotonic() - begun)
    print(good, len(bad), f"{slow:.2f}", *bad[-1:], flush=True)
    time.sleep(max(0, 0.05 - (time.monotonic() - begun)))
"""
STATE = {
    "files": (
        r"find / /data \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log "
        r"-o -path /home -o -path '/data/docker/containers/*' -o -path '/var/lib/kubelet/pods/*' "
        r"-o -path '/var/lib/systemd/*' \) -prune -o -xdev -print | sort"
    ),
    "configuration": "cd /etc; find . -type f | sort | xargs sha256sum",
    "sockets and state": (
        r"find /run \( -path '/run/systemd/*' -o -path '/run/user/*' -o -path '/run/udev/*' -o -path '/run/log/*' "
        r"-o -path '/run/sudo*' -o -path '/run/sshd*' -o -path '/run/utmp*' \) -prune -o -print | sort"
    ),
    "processes": (
        "ps -eo comm= | grep -vE '^(kworker|ssh|sudo|sh|ps|sort|grep|bash|systemd-|\\(sd|python3|sftp|sleep)' | sort"
    ),
    "cgroups": r"find /sys/fs/cgroup -type d | grep -vE 'user\.slice|session-|user@|run-' | sort",
    "network namespaces": "ls /run/docker/netns /run/netns 2>/dev/null | sort; ip -o link | wc -l",
    "rules": r"iptables-save | sed 's/^#.*//; s/ \[.*//'",
    "images": "docker images --all --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort; ctr -n k8s.io images list -q | sort",
    "units": (
        "systemctl list-units --all --plain --no-legend | awk '{print $1, $3}' | "
        "grep -vE '^(session-|user-|user@|user-runtime|run-|dev-|sys-|systemd-)' | sort"
    ),
    "shared memory": "tail -n +2 /proc/sysvipc/shm; ls /dev/shm",
}


def state(lab: Lab) -> dict[str, list[str]]:
    """Give everything that could stay of a rehearsal."""
    return {name: lab.on(NODE, script).splitlines() for name, script in STATE.items()}


def containers(lab: Lab) -> list[str]:
    """Give every container that Docker has, and since when it runs."""
    script = "docker ps --all --quiet --no-trunc | xargs docker inspect -f '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' | sort"
    return lab.on(NODE, script).splitlines()


@contextmanager
def asked(lab: Lab, address: str) -> Iterator[list[str]]:
    """Have a pod's page fetched twenty times a second; the list's last line has the counts so far."""
    said: list[str] = []
    command = network.inside(lab.settings, [sys.executable, "-c", CLIENT, address])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        lines = client.stdout
        reader = threading.Thread(target=lambda: said.extend(line.strip() for line in lines), daemon=True)
        reader.start()
        try:
            yield said
        finally:
            client.kill()
            reader.join()


@contextmanager
def pinged(lab: Lab, address: str) -> Iterator[list[str]]:
    """Have the other node ping a pod five times a second; the list gets what came of it."""
    said: list[str] = []
    script = f"rm -f /run/pinging; ping -q -i 0.2 {address} > /run/pinging 2>&1 & echo $! > /run/pinger"
    lab.on(OTHER, script)
    try:
        yield said
    finally:
        said.append(
            lab.on(OTHER, "kill -INT $(cat /run/pinger); sleep 2; cat /run/pinging; rm /run/pinging /run/pinger")
        )


def test_nobody_notices_and_nothing_stays(fresh_lab: Lab) -> None:
    """No request fails, no packet is lost, no container starts anew; files, units, rules, images are as before."""
    lab = fresh_lab
    staged = lab.migrator("apply", "--node", NODE, "--yes", "--until", "stage", lab.inventory)
    assert staged.returncode == 0, staged.stderr
    assert f"{NODE} is staged for containerd://" in staged.stderr
    agent = next(pod for pod in lab.pods(NODE) if pod["metadata"]["labels"].get("app") == "agent")
    address = agent["status"]["podIP"]
    before, running = state(lab), containers(lab)

    with asked(lab, address) as said, pinged(lab, address) as ping:
        again = lab.migrator("apply", "--node", NODE, "--yes", "--until", "stage", lab.inventory)

    assert again.returncode == 0, again.stderr
    print("\n".join(line for line in again.stderr.splitlines() if "✓" in line))
    good, bad, slowest, *error = said[-1].split(maxsplit=3)
    print(f"{good} requests, {bad} failed, the slowest {slowest} s; {ping[0].strip()}")
    assert (int(bad), int(good) > 1000) == (0, True), error
    assert re.search(r" 0% packet loss", ping[0]), ping
    assert containers(lab) == running
    after = state(lab)
    for name, lines in before.items():
        assert after[name] == lines, name
    node = lab.node(NODE)
    assert (node["ready"], node["unschedulable"], node["runtime"].split(":")[0]) == (True, False, "docker")
