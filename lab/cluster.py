"""The whole lab: up, down, snapshots. A booted, joined cluster is kept, so that later ups take seconds."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lab import (
    acceleration,
    addons,
    container,
    controlplane,
    docker_settings,
    emulator,
    guest_image,
    guests,
    host,
    images,
    kubeadm,
    kubernetes,
    machines,
    network,
    node_runtimes,
    services,
    tools,
    waiting,
    workloads,
)
from lab.artefacts import key_of, say
from lab.errors import LabError
from lab.settings import MOST_WORKERS, SPARE, USER, Node, Settings

BASE = "joined"
"""The snapshot that `up` makes: every node Ready on Docker, every workload available."""


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep a second `up`, `down` or `restore` out while one is at work."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    with (settings.cache / f"{settings.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError("another lab command is at work on this lab; wait for it to end") from error
        yield


@contextmanager
def _timed(settings: Settings, what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    say(f"{what}: {seconds:.1f} s")
    with (settings.cache / "timings.jsonl").open("a") as file:
        file.write(json.dumps({"what": what, "seconds": round(seconds, 1), "at": round(time.time())}) + "\n")


def up(settings: Settings) -> bool:
    """Bring the cluster up in its base state: from its snapshot when there is one, else from nothing.

    Tell whether that was done: one that is up already is left as it is.
    """
    host.check(settings.cache)
    with _alone(settings):
        if _healthy(settings):
            say("the lab is up already")
            return False
        _end(settings)
        disks = prepare(settings)
        wanted = key(settings)
        if _saved(settings, BASE, wanted):
            with _timed(settings, "up from the snapshot"):
                _start_from(settings, disks)
        else:
            with _timed(settings, "up from nothing"):
                _start_anew(settings, disks, wanted)
        _write_inventory(settings)
        return True


def prepare(settings: Settings) -> dict[Node, Path]:
    """Build what the lab needs and the cache has not; give the disk that each node starts from."""
    with _timed(settings, "artefacts"):
        disks = {node: guest_image.guest_image(settings, node) for node in settings.nodes}
        if machines.kind(settings) == "guest":
            emulator.program(settings)
        else:
            for disk in disks.values():
                container.raw_disk(settings, disk)
        tools.tools(settings, kubernetes.of_cluster(settings))
        services.repositories(settings)
        services.programs(settings)
        images.layouts(settings)
    return disks


def key(settings: Settings) -> str:
    """Name everything that a snapshot of this cluster depends on."""
    release = kubernetes.of_cluster(settings)
    return key_of(
        {
            "disks": " ".join(guest_image.guest_image(settings, node).name for node in settings.nodes),
            "machine": _machine(settings),
            "size": f"{settings.workers} x {settings.memory_mib} MiB, {settings.cpus} cpus",
            "workloads": "".join(workloads.manifests(settings)) + addons.manifest([]),
            "images": " ".join(sorted(str(path) for path in images.layouts(settings).values())),
            "control plane": kubeadm.config(release, Path(), settings.nodes[0].socket),
            "programs": f"{release.name} {settings.crio} {settings.cri_dockerd}",
            "nodes": docker_settings.described(settings) + "".join(map(node_runtimes.script, settings.nodes)),
            "recipe": "5",
        }
    )


def _machine(settings: Settings) -> str:
    if machines.kind(settings) == "container":
        return "container"
    image = guest_image.guest_image(settings, settings.nodes[0])
    return " ".join([emulator.program(settings).parent.name, *acceleration.options(settings, image)])


def _start_from(settings: Settings, disks: Mapping[Node, Path]) -> None:
    network.create(settings, taps=machines.kind(settings) == "guest")
    services.start(settings)
    controlplane.restore_etcd(settings, _etcd_copy(settings, BASE))
    controlplane.start(settings)
    for node in settings.nodes:
        machines.of(settings).start(settings, node, disks[node], snapshot=BASE)
    _settle(settings)


def _start_anew(settings: Settings, disks: Mapping[Node, Path], key: str) -> None:
    release = kubernetes.of_cluster(settings)
    shutil.rmtree(settings.state, ignore_errors=True)
    (settings.state / "logs").mkdir(parents=True)
    settings.programs.symlink_to(release.folder.absolute())
    settings.tools.symlink_to(tools.tools(settings, release))
    network.create(settings, taps=machines.kind(settings) == "guest")
    for node in settings.nodes:
        machines.of(settings).create_disk(settings, node, disks[node], data=docker_settings.history(node).data_disk)
        machines.of(settings).start(settings, node, disks[node])
    services.start(settings)
    controlplane.create(settings)
    _each(settings, lambda node: _make_node(settings, node))
    workloads.deploy(settings)
    addons.deploy(settings)
    _settle(settings)
    _take(settings, BASE, key)


def _make_node(settings: Settings, node: Node) -> None:
    guests.await_boot(settings, node)
    say(f"{node.name} booted")
    guests.join(settings, node)
    guests.add_docker_only_things(settings, node)
    say(f"{node.name} joined")


def _settle(settings: Settings) -> None:
    """Return when clocks are right, nodes Ready by what their kubelets say now, and workloads available."""
    _each(settings, lambda node: _right_clock(settings, node))
    began = datetime.now(UTC)
    names = ", ".join(node.name for node in settings.nodes)
    waiting.until(
        lambda: _takes_pods(settings, began), f"{names} are Ready (`lab logs NODE`)", seconds=300, every=1,
    )  # fmt: skip
    waiting.until(lambda: not workloads.unavailable(settings), "all workloads are available", seconds=300, every=1)


def _takes_pods(settings: Settings, since: datetime) -> bool:
    """Tell whether all nodes are Ready, said so since, and are not tainted for the time when they had not.

    After a restore their status is that of the snapshot, and a kubelet whose connection did not outlive it is missed
    for a while.
    """
    leases = json.loads(controlplane.kubectl(settings, ["-n", "kube-node-lease", "get", "leases", "-o", "json"]))
    heard = {
        item["metadata"]["name"]
        for item in leases["items"]
        if datetime.fromisoformat(item["spec"]["renewTime"]) > since
    }
    good = [name for name, node in nodes(settings).items() if _ready(node) and not node["spec"].get("taints")]
    return len(good) == settings.workers and heard >= set(good)


def _right_clock(settings: Settings, node: Node) -> None:
    guests.await_boot(settings, node)
    if machines.kind(settings) == "guest":
        guests.set_clock(settings, node)


def _each(settings: Settings, work: Callable[[Node], None]) -> None:
    with ThreadPoolExecutor(max_workers=settings.workers) as pool:
        list(pool.map(work, settings.nodes))


def down(settings: Settings) -> None:
    """End everything that the lab started; disks, snapshots and built artefacts stay in the cache."""
    with _alone(settings):
        _end(settings)


def _end(settings: Settings) -> None:
    # The lab may have had more nodes when it was started than it is asked for now.
    for number in range(1, MOST_WORKERS + 1):
        machines.of(settings).remove(settings, Node(number))
    machines.SPARES.remove(settings, SPARE)
    shutil.rmtree(settings.connections, ignore_errors=True)
    network.destroy(settings)


def snapshot(settings: Settings, tag: str) -> None:
    """Keep the state of guests and cluster under `tag`."""
    with _alone(settings):
        require_up(settings)
        _take(settings, tag, _saved_key(settings, BASE))


def _take(settings: Settings, tag: str, key: str) -> None:
    folder = settings.state / "snapshots" / tag
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with _timed(settings, "snapshot"):
        # Guests first: what they know must never be newer than what etcd knows.
        for node in settings.nodes:
            machines.of(settings).pause(settings, node)
        try:
            for node in settings.nodes:
                machines.of(settings).save(settings, node, tag)
            controlplane.save_etcd(settings, _etcd_copy(settings, tag))
        finally:
            for node in settings.nodes:
                machines.of(settings).resume(settings, node)
    (folder / "key").write_text(key)


def restore(settings: Settings, tag: str = BASE) -> None:
    """Put guests, etcd and clocks back to `tag`, and return when the cluster is as it was."""
    with _alone(settings), _timed(settings, "restore"):
        require_up(settings)
        if not _saved(settings, tag, _saved_key(settings, BASE)):
            known = sorted(path.parent.name for path in settings.state.glob("snapshots/*/key"))
            raise LabError(f"no snapshot {tag!r}; there are: {', '.join(known)}")
        controlplane.stop(settings)
        # SSH connections to the guests' later selves would hang: their other ends are gone.
        network.end(settings, names={"ssh"})
        for node in settings.nodes:
            machines.of(settings).pause(settings, node)
        controlplane.restore_etcd(settings, _etcd_copy(settings, tag))
        controlplane.start(settings)
        for node in settings.nodes:
            machines.of(settings).load(settings, node, tag)
        _settle(settings)


def boot(settings: Settings, node: Node, words: str) -> None:
    """Cut a guest's power and boot it with more words for its kernel; return when it answers. `restore` undoes that."""
    with _alone(settings), _timed(settings, f"boot with {words}"):
        require_up(settings)
        machines.of(settings).cut_power(settings, node)
        machines.of(settings).start(settings, node, guest_image.guest_image(settings, node), words=words)
        _right_clock(settings, node)


def _etcd_copy(settings: Settings, tag: str) -> Path:
    return settings.state / "snapshots" / tag / "etcd.db"


def _saved_key(settings: Settings, tag: str) -> str:
    try:
        return (settings.state / "snapshots" / tag / "key").read_text()
    except OSError:
        return ""


def _saved(settings: Settings, tag: str, key: str) -> bool:
    return bool(key) and _saved_key(settings, tag) == key


def require_up(settings: Settings) -> None:
    """Raise `LabError` when the lab is down."""
    if not network.exists(settings):
        raise LabError("the lab is not up; `python -m lab up` starts it")


def _healthy(settings: Settings) -> bool:
    return (
        network.exists(settings)
        and controlplane.ready(settings)
        and all(machines.of(settings).running(settings, node) for node in settings.nodes)
        and bool(_saved_key(settings, BASE))
    )


def nodes(settings: Settings) -> dict[str, dict[str, Any]]:
    """Give the Node objects of the API server by name."""
    items = json.loads(controlplane.kubectl(settings, ["get", "nodes", "-o", "json"]))["items"]
    return {item["metadata"]["name"]: item for item in items}


def _ready(node: dict[str, Any]) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def _write_inventory(settings: Settings) -> None:
    """Write the inventory that `migrator` takes, for the lab's workers."""
    hosts = {node.name: {"ansible_host": node.address} for node in settings.nodes}
    common = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    variables = {
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(settings.ssh_key),
        "ansible_ssh_common_args": common,
        "ansible_control_path_dir": str(settings.connections),
        "ansible_python_interpreter": "/usr/bin/python3",
        "migrator_kubeconfig": str(settings.kubeconfig),
    }
    document = {"all": {"vars": variables, "children": {"workers": {"hosts": hosts}}}}
    inventory(settings).write_text(yaml.safe_dump(document, sort_keys=False))


def inventory(settings: Settings) -> Path:
    """Where the lab's inventory lies."""
    return settings.state / "inventory.yml"


def status(settings: Settings) -> list[str]:
    """Describe the lab, a line a guest, then what is not available."""
    if not network.exists(settings):
        return ["the lab is down"]
    lines = [f"nodes are {machines.said(settings)}"]
    known = nodes(settings) if controlplane.ready(settings) else {}
    for node in settings.nodes:
        runs = "running" if machines.of(settings).running(settings, node) else "not running"
        line = f"{node.name}  {node.address}  {runs}"
        if node.name in known:
            info = known[node.name]["status"]["nodeInfo"]
            state = "Ready" if _ready(known[node.name]) else "NotReady"
            line += f"  {state}  {info['containerRuntimeVersion']}"
        lines.append(line)
    lines.append(f"API server: {'ready' if known else 'not ready'}")
    if known:
        lacking = workloads.unavailable(settings)
        lines.append("workloads: " + ("; ".join(lacking) if lacking else "all available"))
    lines.append(f"inventory: {inventory(settings)}")
    return lines
