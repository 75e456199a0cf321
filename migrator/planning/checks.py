"""What may forbid, or should be known of, a migration. Each check has an id and is waived singly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from migrator.model.objects import Pod
from migrator.model.plan import Finding, Severity
from migrator.planning import files, versions
from migrator.planning.situation import Situation
from migrator.planning.translate import containerd, docker, kubelet

Check = Callable[[Situation], Iterator[Finding]]

_DOCKER_PATHS = ("/var/run/docker.sock", "/run/docker.sock", "/var/run/dockershim.sock", "/var/lib/docker")


def findings(situation: Situation) -> tuple[Finding, ...]:
    """Run every check; a waived one that would block becomes a warning."""
    found = (finding for check in CHECKS for finding in check(situation))
    return tuple(_waived(finding, situation.allow) for finding in found)


def waivable_ids() -> frozenset[str]:
    """Give the ids that `--allow` takes."""
    return frozenset({"docker-settings", "docker-socket-mounts", "local-storage", "unmanaged-pods"})


def _waived(finding: Finding, allow: frozenset[str]) -> Finding:
    if finding.waivable and finding.id in allow and finding.severity is Severity.BLOCKS:
        return finding.model_copy(update={"severity": Severity.WARNS, "remedy": "allowed by the user"})
    return finding


def _blocks(check: str, evidence: str, remedy: str) -> Finding:
    waivable = check in waivable_ids()
    remedy = f"{remedy}, or --allow {check}" if waivable else remedy
    return Finding(id=check, severity=Severity.BLOCKS, evidence=evidence, remedy=remedy, waivable=waivable)


def _names(pods: Iterable[Pod]) -> str:
    return ", ".join(sorted(pod.full_name for pod in pods))


def right_machine(now: Situation) -> Iterator[Finding]:
    """The host behind the inventory's name must be the Node that would be drained."""
    if now.facts.machine_id != now.node.machine_id:
        yield _blocks(
            "wrong-machine",
            f"host {now.host} has machine-id {now.facts.machine_id}, Node {now.node.name} has {now.node.machine_id}",
            "correct ansible_host or migrator_node_name: another machine than the drained node would be switched",
        )


def worker(now: Situation) -> Iterator[Finding]:
    """Control-plane nodes are left out until a control plane in the lab proves them."""
    if now.node.control_plane:
        yield _blocks("control-plane", f"{now.node.name} is a control-plane node", "leave it out: only workers yet")


def known_source(now: Situation) -> Iterator[Finding]:
    """Only Docker through dockershim is a source that is proven."""
    version = versions.parse(now.facts.kubelet.version)
    if not now.node.runtime.startswith("docker://"):
        yield _blocks(
            "source-runtime", f"the node runs {now.node.runtime}", "only Docker can be migrated from in this version"
        )
    elif version >= versions.DOCKERSHIM_GONE:
        yield _blocks(
            "cri-dockerd", f"kubelet {now.facts.kubelet.version} reaches Docker through cri-dockerd",
            "only dockershim (kubelet 1.23 and older) can be migrated from in this version",
        )  # fmt: skip


def healthy(now: Situation) -> Iterator[Finding]:
    """A node that is broken before the migration cannot be judged after it."""
    if not now.node.ready:
        yield _blocks("node-not-ready", f"Node {now.node.name} is not Ready", "mend it first, or leave it out")
    if not now.facts.kubelet.active:
        yield _blocks("kubelet-stopped", "the kubelet does not run", "start it: its real command line is needed")
    if now.facts.docker is None:
        yield _blocks("docker-stopped", "Docker does not answer on its socket", "start it: its containers are needed")
    if not now.facts.systemd:
        yield _blocks("no-systemd", "systemd does not run this host", "such hosts are not supported")


def runtime_version(now: Situation) -> Iterator[Finding]:
    """The kubelet and the new runtime must speak the same CRI version, and we the configuration's dialect."""
    text = now.facts.containerd.version
    if not text:
        yield Finding(
            id="runtime-install", severity=Severity.INFORMS, evidence="no containerd is installed",
            remedy="the node's package manager will install it, before the cordon",
        )  # fmt: skip
        return
    version, kubelet_version = versions.parse(text), versions.parse(now.facts.kubelet.version)
    least, most = versions.SUPPORTED_CONTAINERD
    if version >= (2, 0) and kubelet_version < versions.CRI_V1:
        yield _blocks(
            "cri-version", f"containerd {text} speaks CRI v1 only, kubelet {now.facts.kubelet.version} v1alpha2 only",
            "install containerd 1.6 or 1.7 on this node",
        )  # fmt: skip
    elif not least <= version <= most:
        yield _blocks(
            "runtime-version", f"containerd {text} is installed",
            f"this version configures {least[0]}.{least[1]} to {most[0]}.{most[1]}",
        )  # fmt: skip


def readable_files(now: Situation) -> Iterator[Finding]:
    """Files that we would rewrite must be what they claim to be."""
    try:
        files.changes(now.facts, now.target)
    except ValueError as error:
        yield _blocks("unreadable-file", str(error), "mend the file; nothing is guessed")
    if containerd.credentials(now.facts.file(containerd.CONFIG).content):
        yield _blocks(
            "containerd-credentials", f"{containerd.CONFIG} holds registry credentials, which a plan must not carry",
            "move them to the kubelet's /var/lib/kubelet/config.json",
        )  # fmt: skip


def kubelet_flags(now: Situation) -> Iterator[Finding]:
    """Flags outside the known files would survive the rewrite and contradict it, or kill the kubelet later."""
    unknown = kubelet.unknown_places(now.facts)
    if unknown:
        yield _blocks(
            "kubelet-flags", f"the running kubelet has {', '.join(unknown)} from a place that is not known",
            f"move them to one of {', '.join(kubelet.ENVIRONMENT_FILES)}",
        )  # fmt: skip
    elif not now.facts.file(kubelet.KUBEADM_ENV).exists:
        yield _blocks(
            "kubelet-layout", f"there is no {kubelet.KUBEADM_ENV}", "only nodes that kubeadm made are supported yet"
        )


def network(now: Situation) -> Iterator[Finding]:
    """Without CNI there is no network to inherit: dockershim's kubenet and docker0 end with it."""
    if kubelet.flags_of(now.facts.kubelet.arguments).get("--network-plugin") != "cni":
        yield _blocks("no-cni", "the kubelet runs without --network-plugin=cni", "move the node to a CNI plugin first")
    elif not now.facts.cni.config:
        yield _blocks("no-cni", "there is no CNI configuration in /etc/cni/net.d", "install the cluster's network")
    elif not files.cni_folder(now.facts):
        yield _blocks(
            "cni-plugins", f"no single folder has all of {', '.join(now.facts.cni.plugins)}",
            "put the plugins that the network configuration names into one folder",
        )  # fmt: skip


def docker_settings(now: Situation) -> Iterator[Finding]:
    """Settings of Docker that pods rely on must not vanish without a word."""
    try:
        lost = docker.not_carried(now.facts.file(docker.CONFIG).content)
    except ValueError as error:
        yield _blocks("unreadable-file", str(error), "mend the file; nothing is guessed")
        return
    if lost:
        yield _blocks(
            "docker-settings", f"{docker.CONFIG} sets {', '.join(lost)}, which this version does not carry over",
            "configure the same for containerd by hand",
        )  # fmt: skip
    if now.facts.docker is not None and now.facts.docker.containerd_store:
        yield _blocks(
            "docker-image-store", "Docker keeps its images in containerd's store",
            "such nodes are not supported yet",
        )  # fmt: skip


def cgroup_driver(now: Situation) -> Iterator[Finding]:
    """The new runtime gets the kubelet's driver; Docker having another one means that something is wrong."""
    if now.facts.docker is None:
        return
    try:
        driver = kubelet.cgroup_driver(now.facts)
    except ValueError:
        return  # `readable_files` says so
    if now.facts.docker.cgroup_driver not in {driver, ""}:
        yield _blocks(
            "cgroup-driver", f"the kubelet uses {driver}, Docker {now.facts.docker.cgroup_driver}",
            "make them the same first",
        )  # fmt: skip


def docker_users(now: Situation) -> Iterator[Finding]:
    """Pods and containers that use Docker beside Kubernetes."""
    pods = [pod for pod in now.pods if any(_reaches_docker(path) for path in pod.host_paths) and not pod.finished]
    if pods:
        yield _blocks(
            "docker-socket-mounts", f"pods that reach into Docker from the host's file system: {_names(pods)}",
            "give them another way: they will see none of Kubernetes' containers",
        )  # fmt: skip
    foreign = [entry.name for entry in (now.facts.docker.containers if now.facts.docker else ()) if not entry.pod_uid]
    if foreign:
        yield Finding(
            id="foreign-containers", severity=Severity.INFORMS,
            evidence=f"Docker runs containers that are not Kubernetes': {', '.join(sorted(foreign))}",
            remedy="they are left alone, and Docker stays running for them",
        )  # fmt: skip


def _reaches_docker(path: str) -> bool:
    mounted = PurePosixPath(path)
    return any(
        mounted == inside or mounted in inside.parents or inside in mounted.parents
        for inside in map(PurePosixPath, _DOCKER_PATHS)
    )


def drain(now: Situation) -> Iterator[Finding]:
    """What a drain would destroy, and what would hold it up."""
    alive = [pod for pod in now.leaving if not pod.finished]
    local = [pod for pod in alive if pod.empty_dirs]
    if local:
        yield _blocks(
            "local-storage", f"pods with data in an emptyDir: {_names(local)}", "the data will be deleted: save it"
        )
    bare = [pod for pod in alive if not pod.owner]
    if bare:
        yield _blocks(
            "unmanaged-pods", f"pods that nobody will create again: {_names(bare)}", "delete them or give them an owner"
        )
    for pod in alive:
        covering = [budget for budget in now.budgets if budget.covers(pod)]
        if len(covering) > 1:
            yield _blocks(
                "several-budgets", f"{pod.full_name} is covered by {', '.join(budget.name for budget in covering)}",
                "the API server evicts no pod with more than one budget: leave one",
            )  # fmt: skip
        elif covering and covering[0].disruptions_allowed == 0 and pod.ready:
            yield Finding(
                id="budget-exhausted", severity=Severity.WARNS,
                evidence=f"PodDisruptionBudget {covering[0].name} allows no eviction of {pod.full_name} now",
                remedy=f"the drain would wait for it, for at most {now.target.drain_timeout} s",
            )  # fmt: skip


CHECKS: tuple[Check, ...] = (
    right_machine,
    worker,
    known_source,
    healthy,
    runtime_version,
    readable_files,
    kubelet_flags,
    network,
    docker_settings,
    cgroup_driver,
    docker_users,
    drain,
)
