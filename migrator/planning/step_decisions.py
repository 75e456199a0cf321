"""Which step a node needs, and why: one function for each step, from the same situation."""

from __future__ import annotations

from migrator.model.kubernetes import CRI_SOCKET
from migrator.model.plan import NodePlan
from migrator.nodeconf import kubelet
from migrator.planning import cni
from migrator.planning.candidate_version import find_candidate
from migrator.planning.checks.docker_users import needing_docker, reaches
from migrator.planning.inputs import NodeInputs
from migrator.planning.step_protocol import Decision


def _done(now: NodeInputs) -> Decision | None:
    """Say that nothing is left to do here, or nothing yet."""
    if now.migrated:
        return False, f"the node already runs {now.node.runtime}"
    return None if _installed(now) else (False, "is planned when the runtime is installed: its version decides")


def _installed(now: NodeInputs) -> str:
    return now.runtime.installed(now.facts)


def _given_back(now: NodeInputs) -> Decision | None:
    """Likewise, unless a run that ended too early has left it cordoned."""
    return None if now.node.cordoned_by_us else _done(now)


def _unwanted(now: NodeInputs) -> Decision | None:
    return None if now.target.proof == "full" else (False, f"migrator_proof is {now.target.proof!r}")


def install(now: NodeInputs, _: NodePlan) -> Decision:
    """Bring the runtime to a node that lacks it."""
    name = now.runtime.name
    if now.migrated or (version := _installed(now)):
        return False, f"the node already runs {now.node.runtime}" if now.migrated else f"{name} {version} is installed"
    version = now.target.package_version or find_candidate(now).version
    package = "=".join(filter(None, (now.target.package, version)))
    origin = f"the packages in {now.target.packages}" if now.target.packages else "the node's package sources"
    return True, f"{package} from {origin}, if that removes and upgrades nothing; then the node is planned again"


def stage(now: NodeInputs, plan: NodePlan) -> Decision:
    """Validate and carry over while the node still serves."""
    if done := _done(now):
        return done
    name = now.runtime.name
    count = len(plan.images)
    brings = (
        f"pulls those of {count} images that their registries have, and carries the others over"
        if now.target.image_source == "registry"
        else f"carries {count} images over"
    )
    return True, f"{name} {_installed(now)} reads the new configuration; {brings}"


def baseline(now: NodeInputs, _: NodePlan) -> Decision:
    """See containers on the old runtime, to compare with those on the new one."""
    if done := _done(now) or _unwanted(now):
        return done
    return True, f"three pods of our own on {now.node.runtime}, to compare with afterwards; they go again"


def rehearse(now: NodeInputs, plan: NodePlan) -> Decision:
    """Prove the configuration before the node is taken out of service."""
    if done := _done(now) or _unwanted(now):
        return done
    if not cni.rehearsable(now.facts):
        plugins = ", ".join(now.facts.cni.plugins)
        return (False, f"the network ({plugins}) serves only the API server's pods, and nothing for another is there")
    return True, f"a private instance of {plan.target} with this configuration runs our probe, and goes again"


def cordon(now: NodeInputs, _: NodePlan) -> Decision:
    """Keep new pods away."""
    if done := _done(now):
        return done
    if now.node.cordoned_by_others:
        return False, "somebody has cordoned the node already; it will stay so"
    if now.node.cordoned_by_us:
        return True, "an earlier run has left it cordoned; this one goes on"
    return True, "no new pods may come"


def drain(now: NodeInputs, _: NodePlan) -> Decision:
    """Move what can run elsewhere."""
    if done := _done(now):
        return done
    leaving = [pod for pod in now.leaving if not pod.finished]
    if not leaving:
        return True, "no pod has to leave now; those that come before the cordon do"
    return (
        True,
        f"{len(leaving)} pods leave by eviction; {len(now.pods) - len(leaving)} stay (DaemonSets', static, finished)",
    )


def switch(now: NodeInputs, plan: NodePlan) -> Decision:
    """The transaction on the node."""
    if done := _done(now):
        return done
    containers = [entry for entry in (now.facts.docker.containers if now.facts.docker else ()) if entry.pod_uid]
    return True, f"removes {len(containers)} Docker containers of Kubernetes, writes {len(plan.files)} files"


def verify(now: NodeInputs, plan: NodePlan) -> Decision:
    """See the node and what stays on it ready again."""
    if done := _given_back(now):
        return done
    own = "" if now.target.proof == "none" else ", and pods of our own prove it"
    return True, f"Ready on {now.target.runtime}, and {len(plan.staying)} pods that stay run again{own}"


def annotate(now: NodeInputs, plan: NodePlan) -> Decision:
    """Tell kubeadm."""
    if not now.migrated and (done := _done(now)):
        return done
    present = now.node.annotations.get(CRI_SOCKET)
    if present == plan.endpoint:
        return False, f"the Node's cri-socket annotation is {present} already"
    if present is None and kubelet.told_to_kubeadm(now.facts, plan.endpoint):
        return False, f"kubeadm reads the socket from {kubelet.INSTANCE_CONFIG} on the node, which has it"
    return True, f"kubeadm reads the socket from the Node's annotation; it is {present or 'missing'}"


def uncordon(now: NodeInputs, plan: NodePlan) -> Decision:
    """Give the node back, unless somebody else had taken it away."""
    if done := _given_back(now):
        return done
    if plan.cordoned_before:
        return False, "somebody else had cordoned the node"
    return True, "the node takes pods again"


def leavings(now: NodeInputs, _: NodePlan) -> Decision:
    """See that what proved the node goes without a trace."""
    if done := _given_back(now):
        return done
    if now.target.proof == "none":
        return False, "migrator_proof is 'none'"
    return True, "the pods that proved the node go, and must leave nothing behind"


def settle(now: NodeInputs, _: NodePlan) -> Decision:
    """See that what left is available again."""
    if done := _given_back(now):
        return done
    return settled(now)


def settled(now: NodeInputs) -> Decision:
    """Likewise, forth and back."""
    watches = f", then watches the node for {now.target.soak:.0f} s" if now.target.soak else ""
    return True, f"workloads that leave have {now.target.settle_timeout} s to be available again{watches}"


def retire(now: NodeInputs, _: NodePlan) -> Decision:
    """Stop Docker where nothing uses it any more."""
    if done := _given_back(now):
        return done
    foreign = [entry for entry in (now.facts.docker.containers if now.facts.docker else ()) if not entry.pod_uid]
    if foreign:
        return False, f"Docker stays running for {', '.join(sorted(entry.name for entry in foreign))}"
    root = now.facts.docker.root if now.facts.docker else ""
    if any(reaches(path, root) for pod in now.alive for path in pod.host_paths):
        return False, "Docker stays running for pods that can reach its socket"
    if needing := needing_docker(now):
        return False, f"Docker stays running for {', '.join(needing)}"
    return True, "nothing uses Docker any more; its packages and data stay"
