"""What goes with the runtime that a node leaves: containers of Kubernetes with all they held, and nothing of others'."""

from __future__ import annotations

import json
import time
from base64 import b64encode

from tests.lab.driving import drive, undriven
from tests.lab.nodeside import JOURNALS, NEW, OLD, Node

IPAM = "/var/lib/cni/networks/lab"
CACHE = "/var/lib/cni/results"


def running(node: Node, process: str) -> bool:
    """Tell whether a process is there and is more than a name that waits to be collected."""
    return node.run(f"grep -q '^State:.[^Z]' /proc/{process}/status").returncode == 0


def test_only_kubernetes_containers_go(node: Node) -> None:
    """Running and ended ones, with their volumes; everybody else's run on as the same processes."""
    pods = node.docker_pod() + node.docker_pod("done")
    node.do("docker stop -t 0 done done-sandbox")
    node.foreign(more="--volume mine:/mine")
    created = node.do(
        "docker create --name prepared --volume /own --label io.kubernetes.pod.uid=x registry.lab:5000/pause:3.2"
    ).strip()
    volume = node.do("docker inspect -f '{{(index .Mounts 0).Name}}' prepared").strip()
    process = node.do("docker inspect -f '{{.State.Pid}}' foreign").strip()

    result = node.forth()

    assert result["outcome"] == "switched"
    assert sorted(result["removed"]) == sorted([*pods, created])
    assert node.do("docker ps --all --format '{{.Names}}'").split() == ["foreign"]
    assert node.do("docker inspect -f '{{.State.Pid}}' foreign").strip() == process
    assert running(node, process)
    volumes = node.do("docker volume ls -q").split()
    assert "mine" in volumes
    assert volume not in volumes


def test_applications_end_before_their_sandboxes(node: Node) -> None:
    """All at once, each by its own signal and within its pod's grace period; one that does not end is killed."""
    node.docker_pod("slow", grace="2", end="true")
    node.docker_pod("deaf", grace="1", end="true")
    node.docker_pod("quick", grace="60")
    node.do(
        "docker events --format '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.signal}}' >/run/events 2>&1 &"
    )
    began = time.monotonic()

    result = node.forth()

    assert result["outcome"] == "switched"
    assert result["problems"] == []
    seconds = next(entry["seconds"] for entry in result["actions"] if entry["action"].startswith("remove"))
    assert 2 <= seconds < 10
    assert time.monotonic() - began < 30
    lines = node.at("/run/events").read_text().splitlines()
    node.do("pkill -x docker || true")
    kills = [line.split() for line in lines if line.startswith("kill ")]
    assert ["kill", "slow", "15"] in kills
    assert ["kill", "slow", "9"] in kills
    assert ["kill", "quick", "15"] in kills
    assert ["kill", "quick", "9"] not in kills
    names = [line.split()[1] for line in lines if line.startswith("die ")]
    assert max(names.index(name) for name in ("slow", "deaf", "quick")) < min(
        names.index(f"{name}-sandbox") for name in ("slow", "deaf", "quick")
    )
    terms = [place for place, entry in enumerate(kills) if entry[2] == "15" and "sandbox" not in entry[1]]
    assert len(terms) == 3
    assert terms == sorted(terms)[:3]


def test_a_long_grace_is_cut_and_told(node: Node) -> None:
    """Only where the container has not ended by itself before; the pod is named."""
    node.docker_pod("agent", grace="1200", end="true")
    node.docker_pod("calm", grace="1200")
    drive(node, {}, limits={"migrator_removal.STOP_MOST_SECONDS": 1})

    result = node.forth()

    assert result["outcome"] == "switched"
    assert result["problems"] == ["shop/agent/main was killed after 1 s; its pod has 1200 s to end"]


def test_a_removal_that_fails_at_first_is_asked_for_again(node: Node) -> None:
    """Docker fails while something uses a container's files; the switch is not undone for that."""
    node.docker_pod()
    node.do("docker pause web >/dev/null")
    drive(node, {"after removed": "(sleep 1; docker unpause web) >/dev/null 2>&1 &"})

    assert node.forth()["outcome"] == "switched"
    undriven(node)
    assert node.state() == NEW


def test_a_container_that_stays_is_named(node: Node) -> None:
    """With what Docker said of it; the node goes back, and what is there still is not called removed."""
    _, sandbox = node.docker_pod()
    holder = node.do(f"docker inspect -f '{{{{.Id}}}}' {sandbox}").strip()
    folder = f"/var/lib/docker/containers/{holder}"
    node.do(f"chattr +i {folder}/config.v2.json")
    drive(node, {}, limits={"migrator_removal.REMOVE_SECONDS": 2})
    try:
        result = node.forth()
        assert result["outcome"] == "rolled-back"
        assert str(result["cause"]).startswith(f"Docker still has containers of Kubernetes: {holder[:12]}")
    finally:
        node.do(f"chattr -i {folder}/config.v2.json; systemctl restart docker")


def test_a_docker_that_refuses_names_the_container(node: Node) -> None:
    """It does not stop one: the node goes back, and containers that are still there are not called removed."""
    pod = node.docker_pod()
    drive(node, {"after removed": "systemctl stop docker.socket docker"})

    result = node.forth()

    assert result["outcome"] == "rolled-back"
    assert str(result["cause"]).startswith(f"Docker does not stop {pod[0][:12]}: ")
    assert result["removed"] == []


# What the network gave.


def plugged(node: Node) -> None:
    """Put plugins where they are looked for first, which note what they were asked."""
    node.do("mkdir -p /opt/own")
    for name in ("bridge", "portmap"):
        path = node.at(f"/opt/own/{name}")
        path.write_text(
            f'#!/bin/sh\necho "{name} $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME" >> /run/asked\ncat > /run/asked-{name}\n'
        )
        path.chmod(0o755)


def attached(node: Node, sandbox: str) -> None:
    """Keep what libcni keeps of an attachment, with a reservation."""
    network = {"cniVersion": "0.4.0", "name": "lab", "plugins": [
        {"type": "bridge"}, {"type": "portmap", "capabilities": {"portMappings": True}},
    ]}  # fmt: skip
    kept = {
        "containerId": sandbox, "ifName": "eth0", "result": {"ips": []},
        "config": b64encode(json.dumps(network).encode()).decode(),
        "capabilityArgs": {"portMappings": [{"hostPort": 80}]},
    }  # fmt: skip
    for folder in (IPAM, CACHE):
        node.at(folder).mkdir(parents=True, exist_ok=True)
    node.at(f"{CACHE}/lab-{sandbox}-eth0").write_text(json.dumps(kept))


def reserved(node: Node, address: str, container: str) -> None:
    """Reserve an address as host-local does."""
    node.at(IPAM).mkdir(parents=True, exist_ok=True)
    node.at(f"{IPAM}/{address}").write_text(f"{container}\r\neth0")


def test_the_network_gets_back_what_it_gave(node: Node) -> None:
    """Plugins are asked in reverse, addresses of the removed sandboxes and those that leaked go, others' stay."""
    _, sandbox = node.docker_pod()
    gone, other = "ab" * 32, "cd" * 32
    plugged(node)
    attached(node, sandbox)
    attached(node, other)
    for number, holder in ((5, sandbox), (6, other), (7, gone), (8, other)):
        reserved(node, f"10.244.1.{number}", holder)
    node.at(f"{IPAM}/lock").write_text(sandbox)
    stale = [{"path": f"{IPAM}/10.244.1.{number}", "container": gone} for number in (7, 8)]

    result = node.forth(plugins=["/opt/own"], stale_addresses=stale)

    assert result["outcome"] == "switched"
    assert node.at("/run/asked").read_text().splitlines() == [
        f"portmap DEL {sandbox} eth0",
        f"bridge DEL {sandbox} eth0",
    ]
    told = json.loads(node.at("/run/asked-portmap").read_text())
    assert told["runtimeConfig"] == {"portMappings": [{"hostPort": 80}]}
    assert sorted(path.name for path in node.at(IPAM).iterdir()) == ["10.244.1.6", "10.244.1.8", "lock"]
    assert [path.name for path in node.at(CACHE).iterdir()] == [f"lab-{other}-eth0"]
    node.do("rm -rf /opt/own /run/asked*")


def test_links_into_dockers_store_go(node: Node) -> None:
    """Pods that keep their uid keep their log folder; real files and links elsewhere stay."""
    pod = node.docker_pod()
    folder = node.at("/var/log/pods/shop_web_u/main")
    folder.mkdir(parents=True)
    (folder / "0.log").symlink_to(f"/var/lib/docker/containers/{pod[0]}/{pod[0]}-json.log")
    (folder / "1.log").symlink_to("/var/lib/docker-other/x")
    (folder / "2.log").write_text("real")

    assert node.forth()["outcome"] == "switched"

    assert sorted(path.name for path in folder.iterdir()) == ["1.log", "2.log"]


# The way back.


def test_pods_of_containerd_end_exactly(node: Node) -> None:
    """With their processes, namespaces and addresses; a system service, others' containers and namespaces stay."""
    node.forth()
    foreign = node.foreign()
    pods = [node.cri_pod("one"), node.cri_pod("two")]
    processes = node.do("ctr -n k8s.io tasks list | tail -n +2").split()[1::3]
    assert len(processes) == 4
    namespaces = node.do("ls /run/netns").split()
    assert len(namespaces) == 2
    node.do("ip netns add theirs; ctr -n default run -d --null-io --rootfs / theirs /bin/sleep 1000 || true")
    service = node.do("systemd-run -q -u theirs sleep 1000; systemctl show theirs -p MainPID --value").strip()
    process = node.do("docker inspect -f '{{.State.Pid}}' foreign").strip()
    addresses = node.at(IPAM)
    assert len([path for path in addresses.iterdir() if path.name.startswith("10.")]) == 2

    result = node.back()

    assert (result["outcome"], result["problems"]) == ("restored", [])
    assert node.state() == {**OLD, "in Docker": ["foreign"]}
    assert not any(running(node, one) for one in processes)
    assert running(node, service)
    assert running(node, process)
    assert node.do("ls /run/netns").split() == ["theirs"]
    assert [path for path in addresses.iterdir() if path.name.startswith("10.")] == []
    assert "ip netns" not in node.do("findmnt -n -o TARGET | grep cni- || true")
    node.do("ip netns delete theirs; systemctl stop theirs")
    assert len(pods) == 2
    assert foreign


def test_a_containerd_that_does_not_answer_loses_its_pods_all_the_same(node: Node) -> None:
    """What runs in pods' cgroups is ended; a service of the system and Docker's own containers are none of that."""
    node.forth()
    node.foreign()
    node.cri_pod()
    processes = node.do("ctr -n k8s.io tasks list | tail -n +2").split()[1::3]
    service = node.do("systemd-run -q -u theirs sleep 1000; systemctl show theirs -p MainPID --value").strip()
    foreign = node.do("docker inspect -f '{{.State.Pid}}' foreign").strip()
    node.wrap("ctr", "exit 1")

    result = node.back()
    node.unwrap()

    assert result["outcome"] == "restored"
    assert not any(running(node, one) for one in processes)
    assert running(node, service)
    assert running(node, foreign)
    node.do("systemctl stop theirs")


def test_a_process_that_does_not_end_by_itself_is_killed(node: Node) -> None:
    """After its time."""
    node.forth()
    node.do("ctr -n k8s.io run -d --null-io --cgroup /kubepods/burstable/podx/deaf registry.lab:5000/lab/busybox:1 deaf "
            "/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'")  # fmt: skip
    process = node.do("ctr -n k8s.io tasks list | tail -n +2").split()[1]
    drive(node, {}, limits={"migrator_removal.END_SECONDS": 1})

    result = node.back()

    assert (result["outcome"], result["problems"]) == ("restored", [])
    assert not running(node, process)
    assert node.state()["in containerd"] == []


def test_a_way_back_that_is_run_again_leaves_dockers_new_pods_alone(node: Node) -> None:
    """The kubelet has started on Docker by then: what is in pods' cgroups is Docker's, where containerd says nothing."""
    node.forth()
    drive(node, {"before undone": (
        "docker run -d --name anew --label io.kubernetes.pod.uid=n --cgroup-parent /kubepods/burstable/podn "
        "registry.lab:5000/lab/busybox:1 -c 'sleep 1000'; kill -KILL $PPID; sleep 60"
    )})  # fmt: skip
    node.wrap("ctr", "exit 1")

    result = node.back()
    node.unwrap()

    assert result["outcome"] == "restored"
    assert node.actions().count("start the kubelet on Docker") == 2
    assert node.do("docker ps --format '{{.Names}}'").split() == ["anew"]


def test_what_containerd_keeps_is_told(node: Node) -> None:
    """A container that cannot be removed, or a namespace; the node serves on Docker all the same."""
    node.forth()
    sandbox, container = node.cri_pod()
    node.wrap("ctr", 'case "$*" in *delete*) exit 1;; esac')

    result = node.back()
    node.unwrap()

    assert result["outcome"] == "restored"
    (problem,) = result["problems"]
    assert problem.startswith("containerd still has ")
    assert {sandbox[:12], container[:12]} <= set(problem.replace(",", "").split())


def test_a_namespace_that_cannot_go_is_told(node: Node) -> None:
    """Somebody has locked the folder of namespaces, say."""
    node.forth()
    node.cri_pod()
    (name,) = node.do("ls /run/netns").split()
    node.wrap("umount", "exit 1")

    result = node.back()
    node.unwrap()

    assert result["outcome"] == "restored"
    assert result["problems"] == [f"containerd still has /var/run/netns/{name}: Device or resource busy"]
    assert node.at(f"{JOURNALS}/t").is_dir()
