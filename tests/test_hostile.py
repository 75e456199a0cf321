"""A node that somebody else is root on: what it says reaches no template, no terminal, and bounds no memory of ours."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from migrator.app import observe
from migrator.cli.console import teller
from migrator.cluster import parse
from migrator.engine.executor import apply
from migrator.engine.migration import CLEANUP, ROLLBACK, STEPS
from migrator.engine.playbooks import answer, request
from migrator.errors import MigratorError, StepFailedError, UnaskedError
from migrator.hosts import HostResult
from migrator.hosts.runner import sealed
from migrator.inventory import Host
from migrator.model import node_requests, untrusted_text
from migrator.model.docker_removal import Data, Removal
from migrator.model.event import Event
from migrator.model.facts import NodeFacts, Transaction
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import CRI_SOCKET, PROGRESS, ClusterFacts, Node
from migrator.model.node_answers import Switched
from migrator.model.observation import Observation
from migrator.model.plan import CleanupPlan, NodePlan, Plan, RollbackPlan
from migrator.planning import cleanup
from migrator.planning.inputs import NodeInputs
from migrator.report import inspection, markdown, removal, status, text
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import docker, facts, node, pod, situation
from tests.test_apply import World

TEMPLATE = "{{ lookup('pipe', 'id > /tmp/here') }}"
TERMINAL = "\x1b[2J\x9b1;1H\u202e\nworker-1 ✓ all is well"
BAD = TEMPLATE + TERMINAL
PLAIN = re.compile(r"[A-Za-z0-9+/=]*")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the place of every string of a document, and of every key that is data."""
    if isinstance(document, dict):
        for key, inner in document.items():
            yield from places(inner, (*at, key))
    elif isinstance(document, list):
        for number, inner in enumerate(document):
            yield from places(inner, (*at, number))
    elif isinstance(document, str):
        yield at


def put(document: Any, at: tuple[Any, ...], value: str, *, beside: bool) -> Any:
    """Give the document with a value at that place, after the one that is there where `beside`."""
    copied = json.loads(json.dumps(document))
    inner = copied
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = inner[at[-1]] + value if beside else value
    return copied


def rich_facts() -> NodeFacts:
    """Give a node with something of everything, its Docker on a disk of its own."""
    found = facts(docker=docker(root="/data/docker"))
    update: dict[str, object] = {
        "transactions": {"20260101-000000-worker-1": Transaction(last="done", source="docker://20.10.24")}
    }
    return found.model_copy(update=update)


REMOVAL = Removal(packages={BAD: BAD}, data=(Data(path=BAD, bytes=1),), files=(BAD,), rules=(BAD,), root="/data")
FACTS = rich_facts().model_dump(mode="json")
PLACES = list(places(FACTS))


def observed(document: Any) -> NodeFacts | str:
    """Give what the door to the hosts makes of what a node answered."""
    result = HostResult(host="worker-1", results={"Read the node": {"node": document}})
    (seen,) = observe.observe([Host(name="worker-1", target=HostSettings())], FakeHosts({"inspect": result}))
    return seen.problem if seen.facts is None else seen.facts


def plans(now: NodeInputs) -> Iterator[NodePlan]:
    """Plan all that can be planned for a node."""
    seen = Observation(host=now.host, target=now.target, facts=now.facts)
    around = ClusterFacts(nodes=(now.node,), pods=now.pods)
    for make in (observe.migration, observe.rollback, _without_docker):
        made = observe.plan_all([seen], around, (), make)
        assert not any("please report" in entry.problem for entry in made.unplanned), made.unplanned
        yield from made.nodes


def _without_docker(now: NodeInputs) -> NodePlan:
    return cleanup.make(replace(now, removal=REMOVAL), CLEANUP)


def sent(made: NodePlan) -> Iterator[str]:
    """Give everything that Ansible is given for a plan, whatever its findings are."""
    world = World()
    # What proves a node goes over a line, not to Ansible, and takes most of the time.
    target = world.run.target.model_copy(update={"proof": "none"})
    world.run = world.run.__class__(**{**vars(world.run), "plan": made, "target": target})
    steps = ROLLBACK if isinstance(made, RollbackPlan) else CLEANUP if isinstance(made, CleanupPlan) else STEPS
    with suppress(MigratorError, KeyError):  # a playbook that this world does not answer
        apply(world.run, [step for step in steps if step.id not in {"baseline", "rehearse"}])
    yield from map(sealed, world.hosts.calls)


def shown(made: NodePlan) -> Iterator[str]:
    """Give a plan in every form that goes to a terminal."""
    whole = Plan(nodes=(made,))
    yield text.plan(whole)
    yield markdown.plan(whole)
    if isinstance(made, CleanupPlan) and made.removal:
        yield removal.text(made.removal)


@pytest.mark.parametrize(("bad", "beside"), [(TEMPLATE, True), (BAD, False)], ids=["a template", "for a terminal too"])
def test_no_string_of_a_nodes_facts_is_evaluated_or_reaches_a_terminal(bad: str, *, beside: bool) -> None:
    """Each string in turn: the node is refused, or what is made of it is sealed and escaped."""
    assert len(PLACES) > 150
    seen = 0
    for at in PLACES:
        found = observed(put(FACTS, at, bad, beside=beside))
        if isinstance(found, str):
            assert "{{" not in found, at
            continue
        seen += 1
        now = situation(facts=found)
        told = [inspection.text([Observation(host="worker-1", target=HostSettings(), facts=found)], ClusterFacts())]
        told.append(
            status.text(status.rows([Observation(host="worker-1", target=HostSettings(), facts=found)], [node()]))
        )
        for made in plans(now):
            told += shown(made)
            assert all(PLAIN.fullmatch(word) for word in sent(made)), at
        for said in told:
            assert not _CONTROL.search(said), at
            assert not re.search(r"^worker-1 ✓", said, re.MULTILINE), at
    assert seen > 80


def test_no_string_of_a_node_in_the_cluster_is_evaluated_or_reaches_a_terminal() -> None:
    """Its kubelet writes its status and may write its annotations."""
    given = node(annotations={CRI_SOCKET: "/var/run/dockershim.sock", PROGRESS: "at drain"}).model_dump(mode="json")
    for at in places(given):
        if at in {("name",), ("heartbeat",)}:
            continue  # the API server's own rules
        bad = Node.model_validate(put(given, at, BAD, beside=True))
        for made in plans(situation(node=bad)):
            assert all(PLAIN.fullmatch(word) for word in sent(made)), at
            assert not any(_CONTROL.search(said) for said in shown(made)), at
        assert not _CONTROL.search(
            status.text(status.rows([Observation(host="worker-1", target=HostSettings(), facts=facts())], [bad]))
        )


@pytest.mark.parametrize(
    ("given", "kept"),
    {
        "unix:///run/containerd/containerd.sock": True,
        "/var/run/dockershim.sock": True,
        f"unix:///run/{TEMPLATE}.sock": True,  # a strange name, and harmless where it is sealed
        "unix:///run/a\nb": False,
        "containerd.sock": False,
        "https://example.org": False,
        "unix:///" + "a" * 600: False,
    }.items(),
)
def test_an_annotation_that_is_no_sockets_place_counts_as_none(given: str, *, kept: bool) -> None:
    """It is overwritten by the migration like a missing one."""
    item = {
        "metadata": {"name": "worker-1", "annotations": {CRI_SOCKET: given, PROGRESS: "at " + "x\n" * 999}},
        "status": {
            "nodeInfo": {"machineID": "m", "containerRuntimeVersion": "docker://1", "kubeletVersion": "v1.20.2"}
        },
    }

    found = parse.node(item).annotations

    assert found.get(CRI_SOCKET) == (given if kept else None)
    assert "\n" not in found[PROGRESS]
    assert len(found[PROGRESS]) == 500


def every_request() -> Iterator[node_requests.Request]:
    """Give a request of each kind, with a template in each of its words that may have one."""
    file = node_requests.PlannedFile(path=f"/{TEMPLATE}", content=TEMPLATE, sha256="a", owner=TEMPLATE, group=TEMPLATE)
    stale = node_requests.StaleAddress(path=f"/{TEMPLATE}", container=TEMPLATE)
    words = (TEMPLATE,)
    yield node_requests.Inspect()
    yield node_requests.Install(name=TEMPLATE, version=TEMPLATE, source=TEMPLATE)
    yield node_requests.Stage(
        config=TEMPLATE, images=words, root=f"/{TEMPLATE}",
        registries=node_requests.Registries(folder=f"/{TEMPLATE}", files=(file,)),
    )  # fmt: skip
    yield node_requests.Switch(
        state="old", transaction="t1", socket=f"/{TEMPLATE}", plugins=(f"/{TEMPLATE}",), files=(file,),
        stale_addresses=(stale,), about={TEMPLATE: TEMPLATE},
    )  # fmt: skip
    yield node_requests.Retire()
    removed = Removal(packages={TEMPLATE: TEMPLATE}, data=(Data(path=TEMPLATE, bytes=1),), rules=words, files=words)
    yield node_requests.Cleanup(state="absent", expected=removed)
    yield node_requests.Reboot()
    yield node_requests.OpenSession(folder=f"/{TEMPLATE}")


def test_every_request_is_sealed_by_the_door() -> None:
    """Nothing in it can be taken for a template, and nothing of it is lost."""
    made = list(every_request())
    kinds = {kind for kind in node_requests.Request.__subclasses__() if kind.__module__ == node_requests.__name__}
    assert {type(entry) for entry in made} == kinds
    for entry in made:
        assert PLAIN.fullmatch(sealed(entry))
        assert type(entry).model_validate(json.loads(b64decode(sealed(entry)))) == entry


@pytest.mark.parametrize("name", ["../../etc", "a/b", "{{ 7 }}", "a b", ".hidden", "x\n", "a" * 301])
def test_no_other_folder_is_taken_for_a_switch(name: str) -> None:
    """A transaction's name becomes a path on the node, and a word of ours elsewhere."""
    with pytest.raises(StepFailedError, match="nothing was asked of the node"):
        request(node_requests.Switch, state="old", transaction=name)
    told = observed(FACTS | {"transactions": {name: {"last": "done"}}})
    assert isinstance(told, str)
    assert "do not fit their schema: transactions" in told


ANSWERS: dict[str, Any] = {
    "no number": {"outcome": "switched", "actions": [{"action": "x", "seconds": "many"}]},
    "not finite": {"outcome": "switched", "kubelet_started": float("inf")},
    "another shape": {"outcome": "switched", "actions": 3},
    "no text": {"outcome": ["switched"]},
}


@pytest.mark.parametrize("said", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_not_ours_fails_its_step_alone(said: Any) -> None:
    """It is told as what it is, instead of as a bug of ours that ends the work on other nodes."""
    with pytest.raises(UnaskedError, match="the node's answer is not one of ours"):
        answer(Switched, said)


def test_a_clock_that_was_set_back_is_no_verdict() -> None:
    """A step of the switch took less than no time by it; what came of the switch is what counts."""
    assert (
        answer(Switched, {"outcome": "switched", "actions": [{"action": "x", "seconds": -3600.1}]}).actions[0].seconds
        < 0
    )


@pytest.mark.parametrize("said", ["x", 3, ["x"], {"schema_version": 2}, {"schema_version": 2, "root": []}])
def test_facts_of_any_shape_refuse_their_node_alone(said: Any) -> None:
    """Whatever it is, it is that node that cannot be planned."""
    assert isinstance(observed(said), str)


def test_what_a_node_tells_is_one_line() -> None:
    """A cause with line ends would look like lines of ours."""
    assert answer(Switched, {"cause": "first\nworker-2 ✓ verify: well"}).cause == "first worker-2 ✓ verify: well"


def nested(depth: int) -> Any:
    """Give a list in lists."""
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def test_what_a_node_answers_is_bounded() -> None:
    """In depth, in entries, in one list, and in all characters; what honest nodes say is far below."""
    assert untrusted_text.excess(FACTS) == ""
    assert "deep" in untrusted_text.excess(nested(untrusted_text.DEEPEST + 2))
    assert "lists" in untrusted_text.excess({"images": ["a"] * (untrusted_text.MOST_IN_ONE + 1)})
    assert "characters" in untrusted_text.excess({"a": "x" * (untrusted_text.MOST_CHARACTERS + 1)})
    assert "entries" in untrusted_text.excess([[0] * untrusted_text.MOST_IN_ONE for _ in range(30)])


@pytest.mark.parametrize("kind", ["start", "progress", "changed", "skipped", "failed", "undone"])
def test_an_event_writes_nothing_to_the_terminal_but_its_words(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends of ours stay, indented, so that no line of a message looks like another event."""
    teller(as_json=False)(Event(node="worker-1", step="stage", kind=kind, message="image: " + BAD))
    teller(as_json=True)(Event(node="worker-1", step="stage", kind=kind, message="image: " + BAD))

    said = capsys.readouterr().err
    assert not _CONTROL.search(said)
    assert r"\x1b[2J\x9b1;1H\u202e" in said
    assert not re.search(r"^worker-1 ✓ all", said, re.MULTILINE)


def test_a_pod_may_be_called_as_it_likes() -> None:
    """What pods name is shown escaped: images, volumes, owners."""
    strange = pod("web", images=(BAD,), host_paths=(BAD,), empty_dirs=(BAD,), claims=(BAD,), runtime_class=BAD)
    for made in plans(situation(pods=(strange,))):
        assert not any(_CONTROL.search(said) for said in shown(made))
        assert all(PLAIN.fullmatch(word) for word in sent(made))
