"""A plan says all that would happen, and nothing on a node that is done."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from migrator.engine.migration import STEPS
from migrator.model.facts import FileFact
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import CRI_SOCKET
from migrator.model.plan import Plan
from migrator.planning import plan
from migrator.report import text
from migrator.runtimes import containerd
from tests.fakes.values import containerd as containerd_of
from tests.fakes.values import facts, file, files, kubelet, node, pod, situation

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str, actual: str) -> None:
    """Compare with a recorded text; UPDATE_GOLDEN=1 records it anew."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(actual)
    assert actual == path.read_text(), f"UPDATE_GOLDEN=1 records {name} anew"


def test_the_text_of_a_plan() -> None:
    """People see steps with reasons, findings and the diff of each file."""
    made = plan.make(situation(pods=(pod("web"), pod("agent", owner="DaemonSet/agent"))), STEPS)

    golden("plan.txt", text.plan(Plan(nodes=(made,))))


def test_a_migrated_node_has_nothing_to_do() -> None:
    """Every step says why it is not needed, and no file is written."""
    done = node(runtime="containerd://1.6.20", annotations={CRI_SOCKET: "unix:///run/containerd/containerd.sock"})

    made = plan.make(situation(node=done), STEPS)

    assert not made.changes
    assert all(step.reason for step in made.steps)
    assert made.files == ()
    assert "nothing to do, the node already runs containerd://1.6.20" in text.node(made)


def test_a_migrated_node_with_an_old_annotation_is_finished() -> None:
    """A run that ended before the annotation is completed, without a second drain."""
    made = plan.make(situation(node=node(runtime="containerd://1.6.20")), STEPS)

    assert [step.id for step in made.steps if step.needed] == ["annotate"]


INSTANCE = "/var/lib/kubelet/instance-config.yaml"
SOCKET = "unix:///run/containerd/containerd.sock"
INSTANCES = {
    "kubeadm 1.36": ("1.36.2", f"containerRuntimeEndpoint: {SOCKET}\n", None, False),
    "kubeadm 1.37, by the other name of /run": ("1.37.1", f"containerRuntimeEndpoint: {SOCKET.replace('/run', '/var/run')}\n", None, False),
    "kubeadm 1.36, another socket": ("1.36.2", "containerRuntimeEndpoint: unix:///run/other.sock\n", None, True),
    "kubeadm 1.36 without the file": ("1.36.2", "", None, True),
    "kubeadm 1.36, a broken file": ("1.36.2", "[\n", None, True),
    "kubeadm 1.36, an annotation that is old": ("1.36.2", f"containerRuntimeEndpoint: {SOCKET}\n", "/var/run/dockershim.sock", True),
    "kubeadm 1.35, whose gate may be off": ("1.35.8", f"containerRuntimeEndpoint: {SOCKET}\n", None, True),
}  # fmt: skip


@pytest.mark.parametrize(("version", "content", "annotation", "needed"), INSTANCES.values(), ids=INSTANCES)
def test_a_node_that_kubeadm_set_up_on_the_runtime_needs_nothing(
    version: str, content: str, annotation: str | None, *, needed: bool
) -> None:
    """Newer kubeadms write the socket on the node, and no annotation."""
    there = files() | ({INSTANCE: file(INSTANCE, content)} if content else {})
    given = node(
        runtime="containerd://2.3.5",
        kubelet_version=f"v{version}",
        annotations={CRI_SOCKET: annotation} if annotation else {},
    )
    bare = facts(docker=None, kubelet=kubelet(version=version), containerd=containerd_of(version="2.3.5"), files=there)

    made = plan.make(situation(node=given, facts=bare), STEPS)

    assert [step.id for step in made.steps if step.needed] == (["annotate"] if needed else [])
    assert made.changes is needed
    assert needed or f"nothing to do, the node already runs {given.runtime}" in text.node(made)


def test_only_images_in_use_are_carried() -> None:
    """Images of this node's pods and the pause image are carried; others stay in Docker."""
    assert plan.make(situation(), STEPS).images == ("registry.example/pause:3.2", "web:1")


def test_a_plan_says_where_images_come_from() -> None:
    """It is the same plan but for that: the registries are asked when it is done."""
    carried, pulled = (
        plan.make(situation(pods=(pod("web"),), target=HostSettings(image_source=source)), STEPS)
        for source in ("docker", "registry")
    )

    reasons = [next(step.reason for step in made.steps if step.id == "stage") for made in (carried, pulled)]
    assert [reason.partition("; ")[2] for reason in reasons] == [
        "carries 2 images over",
        "pulls those of 2 images that their registries have, and carries the others over",
    ]
    assert (carried.images, carried.files) == (pulled.images, pulled.files)


def test_a_node_that_somebody_cordoned_stays_cordoned() -> None:
    """We undo only what we did."""
    made = plan.make(situation(node=node(unschedulable=True)), STEPS)

    needed = {step.id: step.needed for step in made.steps}
    assert not needed["cordon"]
    assert not needed["uncordon"]


def test_docker_is_retired_only_when_nothing_uses_it() -> None:
    """A container that is not Kubernetes' keeps Docker running."""
    alone = facts(docker=facts().docker.model_copy(update={"containers": ()}))

    kept = {step.id: step for step in plan.make(situation(), STEPS).steps}["retire"]
    retired = {step.id: step for step in plan.make(situation(facts=alone), STEPS).steps}["retire"]

    assert (kept.needed, kept.reason) == (False, "Docker stays running for foreign")
    assert retired.needed
    for path in ("/var/run/docker.sock", "/var/run", "/"):
        now = situation(facts=alone, pods=(pod("agent", host_paths=(path,)),))
        reached = {step.id: step for step in plan.make(now, STEPS).steps}["retire"]
        assert (reached.needed, reached.reason) == (False, "Docker stays running for pods that can reach its socket")


def test_a_file_keeps_its_mode_and_owner() -> None:
    """An existing file is replaced with its own mode and owner, and the hash that it has now."""
    env = "/var/lib/kubelet/kubeadm-flags.env"
    kept = files()[env].model_copy(update={"mode": "0640", "group": "adm"})

    made = plan.make(situation(facts=facts(files=files() | {env: kept})), STEPS)

    change = next(file for file in made.files if file.path == env)
    assert (change.mode, change.owner, change.group, change.before.sha256) == ("0640", "root", "adm", "x" * 64)


def test_a_plan_survives_json() -> None:
    """A plan is a value: written as JSON and read again it is equal."""
    made = Plan(nodes=(plan.make(situation(), STEPS),))

    assert Plan.model_validate(json.loads(made.model_dump_json())) == made


def test_a_plan_shows_no_password() -> None:
    """A configuration with credentials blocks, and nothing of it stands in the plan."""
    config = 'version = 2\n[plugins.x.auth]\npassword = "hunter2"\n'

    made = plan.make(situation(facts=facts(files=files(containerd=config))), STEPS)

    assert made.blockers
    assert "hunter2" not in made.model_dump_json()


def test_a_missing_file_shows_as_new() -> None:
    """The diff of a file that is not there yet starts at /dev/null."""
    made = plan.make(situation(), STEPS)

    change = next(file for file in made.files if file.path == "/etc/crictl.yaml")
    assert change.before == FileFact(path="/etc/crictl.yaml")
    assert next(text.diff(change)).startswith("--- /dev/null")


CALICO = ("calico", "calico-ipam", "portmap")
OWN = {"/opt/cni/bin": (*CALICO, "ptp", "host-local")}


@pytest.mark.parametrize(("folders", "rehearsed"), [({"/opt/cni/bin": CALICO}, False), (OWN, True)], ids=["no", "yes"])
def test_a_network_that_asks_for_pods_is_not_rehearsed_on(
    folders: dict[str, tuple[str, ...]], *, rehearsed: bool
) -> None:
    """Calico refuses a sandbox that is no pod: the rehearsal has a network of its own, or there is none, with the reason."""
    cni = facts().cni.model_copy(update={"plugins": CALICO, "folders": folders})

    made = plan.make(situation(facts=facts(cni=cni)), STEPS)

    (step,) = [step for step in made.steps if step.id == "rehearse"]
    assert (step.needed, made.network_needs_pods) == (rehearsed, True)
    assert rehearsed or "serves only the API server's pods" in step.reason


def test_what_is_already_right_is_rehearsed_too() -> None:
    """A configuration that needs no change is in the plan all the same, but for one that holds passwords."""
    first = plan.make(situation(), STEPS)
    (written,) = [file.content for file in first.files if file.path == containerd.CONFIG]
    right = plan.make(situation(facts=facts(files=files(containerd=written))), STEPS)

    assert (first.config, right.config) == ("", written)
    assert containerd.CONFIG not in {file.path for file in right.files}
