"""Verdicts as text and as JUnit XML: complete, honest about what is unknown, and harmless to read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.model.evidence import (
    Checked,
    Difference,
    HostView,
    NodeProfile,
    Outcome,
    RawView,
    StartupPhase,
    Verdict,
    Via,
)
from migrator.model.verification import NodeProof, Verification
from migrator.proof import reboot_compare
from migrator.report import junit, schema, terminal
from migrator.report import verdict as report

GOLDEN = Path(__file__).parent / "golden"

KNOWN = NodeProfile(
    node="worker-1", via=Via.KUBELET, runtime="containerd", runtime_version="1.6.20", low_level="runc",
    low_level_version="1.1.5", kubelet_version="1.23.17", cgroup="v2", cgroup_driver="systemd", architecture="x86_64",
    security_modules=("apparmor", "yama"),
)  # fmt: skip
JOBS = ("cgroup", "command", "namespaces", "rootfs", "cleanup", "runtime", "network", "host")
TRACE = (
    StartupPhase(step="api", what="pod created", seconds=0.0, resolution=1.0),
    StartupPhase(step="kubelet", what="pod accepted", seconds=0.4, resolution=1.0),
    StartupPhase(step="cri", what="sandbox created", seconds=1.31),
    StartupPhase(step="image", what="image was there already", seconds=1.9),
    StartupPhase(step="low-level", what="container created by runc", seconds=2.02),
    StartupPhase(step="kernel", what="first process", seconds=2.25, resolution=0.01),
)


def check(name: str, job: str, outcome: Outcome = Outcome.PASSED, **update: str) -> Checked:
    """Give a check with something to say."""
    plain = Checked(id=name, job=job, outcome=outcome, expected="as asked", found="as asked", source="runtime-spec")
    return plain.model_copy(update=update)


PASSED = tuple(check(f"{job}-right[a/one]", job) for job in JOBS)
LIMIT = check(
    "memory-limit[a/one]", "cgroup", Outcome.FAILED, expected="67108864 bytes", found="none",
    source="kubelet 1.23 kuberuntime_container_linux.go", remedy="set SystemdCgroup = true, as the kubelet has it",
)  # fmt: skip
EGRESS = check("egress", "network", Outcome.UNKNOWN, found="no baseline says whether it worked before")
RESOLVE = check("resolve", "network", Outcome.UNKNOWN, found="no baseline says whether it worked before")
LABEL = check("apparmor[a/one]", "command", Outcome.UNKNOWN, found="the host has no AppArmor")
ANNOUNCED = Difference(
    what="label[a/one]", before="docker-default", after="cri-containerd.apparmor.d",
    announced="each runtime has its own profile", source="containerd pkg/cri/server/container_create_linux.go",
)  # fmt: skip
UNANNOUNCED = Difference(what="open files[a/one]", before="1048576:1048576", after="1024:4096")


def verdict(*checks: Checked, **update: object) -> Verdict:
    """Give a verdict of everything that passes, and these."""
    plain = Verdict(circumstances=KNOWN, checks=(*PASSED, *checks), trace=TRACE, seconds=34.2)
    return plain.model_copy(update=update)


def proved(*verdicts: Verdict, **update: object) -> NodeProof:
    """Give worker-1 with these verdicts."""
    return NodeProof(host="w1.example", node="worker-1", verdicts=verdicts).model_copy(update=update)


OVER_CRI = verdict(circumstances=KNOWN.model_copy(update={"via": Via.CRI}), trace=(), seconds=12.0)
LOST = (
    Difference(what="module br_netfilter", before="loaded", after="not loaded", source="kubernetes/website#36336"),
    Difference(
        what="kernel", before="5.10.0", after="6.1.0", announced="another one was installed since the last boot"
    ),
)
NODES: dict[str, NodeProof] = {
    "good": proved(verdict(EGRESS, RESOLVE, LABEL)),
    "failed": proved(
        verdict(LIMIT, EGRESS, problems=("the connection to worker-1 was lost\nin the middle",), trace=())
    ),
    "compared": proved(verdict(EGRESS, differences=(ANNOUNCED, UNANNOUNCED), trace=())),
    "two_sessions": proved(OVER_CRI, verdict(EGRESS)),
    "unproved": proved(problem="containerd on worker-1 does not answer"),
    "not_rebooted": proved(verdict(LIMIT, trace=()), problem="not rebooted: it is not what a node must be as it is"),
    "rebooted": proved(verdict(trace=()), reboot=LOST),
    "unchanged": proved(verdict(trace=()), reboot=()),
}


def golden(path: Path, actual: str) -> None:
    """Compare with a recorded text; UPDATE_GOLDEN=1 records it anew."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(actual, newline="")
    assert path.exists(), f"UPDATE_GOLDEN=1 records {path.name}"
    assert actual == path.read_bytes().decode(), f"UPDATE_GOLDEN=1 records {path.name} anew"


@pytest.mark.parametrize("name", NODES)
def test_the_text_of_a_node(name: str) -> None:
    """People read what was proved, what failed with what to do, and what nobody knows."""
    golden(GOLDEN / f"verdict_{name}.txt", report.node(NODES[name]) + "\n")


def test_every_check_is_listed_when_asked_for() -> None:
    """With -v those that passed are shown too."""
    shown = report.node(NODES["failed"], verbose=True)

    assert all(f" {entry.id} " in shown for entry in NODES["failed"].verdicts[0].checks)
    golden(GOLDEN / "verdict_verbose.txt", shown + "\n")


def test_the_junit_form() -> None:
    """Every node, every session and every check has its place."""
    golden(GOLDEN / "verdict.xml", junit.junit(Verification(nodes=tuple(NODES.values()))) + "\n")


# case: a node, whether it is good, and the end of the sentence that says why not
SHORT: dict[str, tuple[bool, str]] = {
    "good": (True, ""),
    "failed": (False, "worker-1: memory-limit[a/one] failed; the connection to worker-1 was lost in the middle"),
    "compared": (False, "worker-1: open files[a/one] changed since the baseline"),
    "two_sessions": (True, ""),
    "unproved": (False, "worker-1: containerd on worker-1 does not answer"),
    "rebooted": (False, "worker-1: module br_netfilter did not survive the reboot"),
    "unchanged": (True, ""),
}


@pytest.mark.parametrize(("name", "good", "said"), [(name, *expected) for name, expected in SHORT.items()], ids=SHORT)
def test_a_node_is_good_or_says_why_not(name: str, good: bool, said: str) -> None:  # noqa: FBT001
    """One sentence names the node, and what is the matter by its id."""
    assert (NODES[name].good, report.shortcomings(NODES[name])) == (good, said)


def test_a_node_of_which_nothing_passed_is_not_good() -> None:
    """Unknown is not passed, and the sentence says so."""
    empty = proved(Verdict(circumstances=KNOWN, checks=(EGRESS,)))

    assert not empty.good
    assert report.shortcomings(empty) == "worker-1: no check passed"


def test_nodes_are_counted() -> None:
    """The last line separates nodes that failed from nodes of which nothing is known."""
    value = Verification(nodes=(NODES["good"], NODES["failed"], NODES["unproved"]))

    assert report.summary(value) == "Nodes: 1 proved, 1 not proved, 1 of which nothing is known."
    assert report.summary(Verification(nodes=(NODES["good"],))) == "Nodes: 1 proved, 0 not proved."


# case: how a line of the report begins, and its colour
COLOURS = {
    "worker-1: NOT proved": "bold",
    "  ✓ command": "green",
    "  ✗ memory-limit": "red",
    "  ? no baseline": "yellow",
    "  ! not the whole session": "yellow",
    "  ~ label": "dim",
    "  ✗ open files": "red",
    "    ✓ cgroup-right": "green",
    "    ? egress": "yellow",
    "  Failed": "",
}


@pytest.mark.parametrize(("start", "style"), COLOURS.items(), ids=COLOURS)
def test_a_terminal_has_colours(start: str, style: str) -> None:
    """Colours add nothing that the text does not say; announced differences are grey."""
    everything = verdict(LIMIT, EGRESS, differences=(ANNOUNCED, UNANNOUNCED), problems=("lost",))
    shown = report.node(proved(everything), verbose=True)

    styled = terminal.styled(shown)

    assert styled.plain == shown
    at = f"\n{shown}".index(f"\n{start}")
    assert [str(span.style) for span in styled.spans if span.start <= at < span.end] == ([style] if style else [])


def suites(*nodes: NodeProof) -> list[ET.Element]:
    """Read back what was written."""
    root = ET.fromstring(junit.junit(Verification(nodes=nodes)))  # noqa: S314 - our own
    assert root.tag == "testsuites"
    return list(root)


def test_junit_counts_what_it_lists() -> None:
    """Tests, failures, errors and skipped ones of each suite and of all are those that are there."""
    root = ET.fromstring(junit.junit(Verification(nodes=tuple(NODES.values()))))  # noqa: S314 - our own

    for element in (root, *root):
        counted = {"failures": "failure", "errors": "error", "skipped": "skipped", "tests": None}
        for attribute, kind in counted.items():
            cases = [case for case in element.iter("testcase") if kind is None or case.find(kind) is not None]
            assert element.get(attribute) == str(len(cases))
    assert float(root.get("time", "")) == pytest.approx(
        sum(v.seconds for entry in NODES.values() for v in entry.verdicts)
    )


def test_junit_has_a_suite_for_each_session() -> None:
    """With its time and the circumstances; a case is found by its job and its id."""
    over_cri, pods = suites(NODES["two_sessions"])

    assert [suite.get("name") for suite in (over_cri, pods)] == ["worker-1 CRI", "worker-1 pods"]
    assert pods.get("time") == "34.200"
    properties = {entry.get("name"): entry.get("value") for entry in pods.iter("property")}
    assert properties["cgroup_driver"] == "systemd"
    assert properties["security_modules"] == "apparmor yama"
    (egress,) = [case for case in pods.iter("testcase") if case.get("name") == "egress"]
    assert egress.get("classname") == "network"
    assert egress.find("skipped").get("message") == EGRESS.found


def test_a_failure_says_all_in_junit_too() -> None:
    """Expected, found, source and what to do; what kept the session from being whole is an error."""
    (suite,) = suites(NODES["failed"])

    (failure,) = suite.iter("failure")
    assert failure.get("message") == "memory-limit[a/one]: none"
    assert failure.text.splitlines() == [
        "expected: 67108864 bytes", "found: none", f"source: {LIMIT.source}", f"to do: {LIMIT.remedy}",
    ]  # fmt: skip
    (error,) = suite.iter("error")
    assert error.get("message") == "the connection to worker-1 was lost in the middle"


def test_differences_are_cases_in_junit() -> None:
    """One that nobody announced fails, an announced one passes with the reason."""
    (suite,) = suites(NODES["compared"])

    label, files = [case for case in suite.iter("testcase") if case.get("classname") == "baseline"]
    assert label.find("failure") is None
    assert "announced: each runtime has its own profile" in label.find("system-out").text
    assert files.find("failure").text == "before: 1048576:1048576\nafter: 1024:4096"


@pytest.mark.parametrize(("name", "kind"), [("unproved", "error"), ("rebooted", "failure"), ("unchanged", None)])
def test_a_node_itself_is_a_case_in_junit(name: str, kind: str | None) -> None:
    """A node that could not be proved, or what a reboot did to it, is not lost among the checks."""
    beside = suites(NODES[name])[-1]

    assert beside.get("name") == f"worker-1 {'node' if name == 'unproved' else 'reboot'}"
    assert len(list(beside.iter("testcase"))) >= 1
    assert bool(list(beside.iter(kind))) if kind else not list(beside.iter("failure"))


HOSTILE = (
    "]]>", "<!--", "</testsuite>", "&", "&#0;", '"', "'", "\x00", "\x1b[2J", "\x9b31m", "\r", "\n  ✓ cgroup", "\u2028",
    "\u202e", "\ud800", "\ufffe", "\uffff", "\U0001fffe", "{{ x }}", "%s", "a" * 300, "", " ", "\t", "\x0b", "\x85",
)  # fmt: skip


def hostile_node(make: Callable[[], str]) -> NodeProof:
    """Give a node whose shape is always the same and whose texts all come from `make`."""
    known = NodeProfile(node=make(), via=Via.KUBELET, runtime=make(), low_level=make(), security_modules=(make(),))
    checks = tuple(
        Checked(id=make(), job=make(), outcome=outcome, expected=make(), found=make(), source=make(), remedy=make())
        for outcome in Outcome
    )
    changes = tuple(
        Difference(what=make(), before=make(), after=make(), announced=announced, source=make())
        for announced in ("", make() + "x")
    )
    legs = (StartupPhase(step=make(), what=make(), seconds=1),)
    judged = Verdict(circumstances=known, checks=checks, differences=changes, trace=legs, problems=(make(),))
    return NodeProof(host=make(), node=make(), verdicts=(judged,), problem=make() + "x", reboot=changes)


@settings(max_examples=40)
@given(st.data())
def test_nothing_that_a_node_says_is_structure(data: st.DataObject) -> None:
    """Whatever names and messages hold, the text has the same lines and no controls, the XML the same elements."""
    texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=8))
    node = hostile_node(lambda: data.draw(texts))
    plain = hostile_node(lambda: "x")

    shown = report.node(node, verbose=True)
    (suite, beside), (plain_suite, plain_beside) = suites(node), suites(plain)

    assert all(line.isprintable() for line in shown.split("\n"))
    assert report.shortcomings(node).isprintable()
    assert tags(suite, beside) == tags(plain_suite, plain_beside)


def tags(*elements: ET.Element) -> list[str]:
    """Name all elements in their order; properties are left out when they are empty."""
    return [entry.tag for element in elements for entry in element.iter() if entry.tag != "property"]


def test_the_json_form_fits_its_schema() -> None:
    """What `verify -o json` prints is what docs/schema promises, and says of each node whether it is good."""
    document: dict[str, Any] = json.loads(Verification(nodes=tuple(NODES.values())).model_dump_json())

    jsonschema.Draft202012Validator(schema.verdict_schema()).validate(document)
    assert document["schema_version"] == 1
    assert [entry["good"] for entry in document["nodes"]] == [entry.good for entry in NODES.values()]


def host(**update: object) -> HostView:
    """Give a host as it is before its reboot."""
    files = {
        "/proc/sys/user/max_user_namespaces": "15000",
        "/proc/sys/net/ipv4/ip_forward": "1\n",
        "/proc/sys/fs/file-nr": "1 0 9\n",
        "/proc/meminfo": "1",
    }
    plain = HostView(
        raw=RawView(files=files, names={"release": "6.1.0"}), hostname="worker-1", forward_policy="ACCEPT",
        modules=("br_netfilter", "overlay"), services={"kubelet": "active/enabled", "docker": "inactive/disabled"},
    )  # fmt: skip
    return plain.model_copy(update=update)


def view(**files: str) -> RawView:
    """Give a view with some of the host's files otherwise."""
    paths = {
        "limit": "/proc/sys/user/max_user_namespaces",
        "forward": "/proc/sys/net/ipv4/ip_forward",
        "count": "/proc/sys/fs/file-nr",
        "memory": "/proc/meminfo",
    }
    return host().raw.model_copy(
        update={"files": {**host().raw.files, **{paths[name]: text for name, text in files.items()}}}
    )


# case: what is otherwise after the reboot, what is told of it, and whether it does harm
CHANGES: dict[str, tuple[dict[str, object], list[tuple[str, str, str]], bool]] = {
    "nothing": ({}, [], False),
    "a service that does not start": (
        {"services": {"kubelet": "inactive/disabled"}}, [("service kubelet", "active/enabled", "inactive/disabled")], True,
    ),
    "Docker comes back": (
        {"services": {"docker": "active/enabled"}}, [("service docker", "inactive/disabled", "active/enabled")], True,
    ),
    "a service that failed is not started": (
        {"services": {"docker": "failed/disabled"}}, [("service docker", "inactive/disabled", "failed/disabled")], False,
    ),
    "a module is gone": ({"modules": ("overlay",)}, [("module br_netfilter", "loaded", "not loaded")], True),
    "a module that comes by itself": ({"modules": ("br_netfilter",)}, [("module overlay", "loaded", "not loaded")], False),
    "one module more": ({"modules": ("br_netfilter", "overlay", "ip_vs")}, [("module ip_vs", "not loaded", "loaded")], False),
    "modules unknown": ({"modules": ()}, [], False),
    "forwarding is off": ({"raw": view(forward="0\n")}, [("sysctl net.ipv4.ip_forward", "1", "0")], True),
    "a limit by memory": ({"raw": view(limit="14998")}, [("sysctl user.max_user_namespaces", "15000", "14998")], False),
    "a counter moved": ({"raw": view(count="7 0 9\n", memory="2")}, [], False),
    "FORWARD drops": ({"forward_policy": "DROP"}, [("FORWARD policy", "ACCEPT", "DROP")], True),
    "FORWARD unknown": ({"forward_policy": ""}, [], False),
    "another name": ({"hostname": "localhost"}, [("hostname", "worker-1", "localhost")], True),
    "another kernel": ({"raw": RawView(names={"release": "6.12.0"})}, [("kernel", "6.1.0", "6.12.0")], False),
}  # fmt: skip


@pytest.mark.parametrize(("update", "told", "harm"), CHANGES.values(), ids=CHANGES)
def test_what_a_reboot_changes_is_told(update: dict[str, object], told: list[tuple[str, str, str]], harm: bool) -> None:  # noqa: FBT001
    """What does harm is not announced; what could be read only once is left out."""
    found = reboot_compare.changes(host(), host(**update))

    assert [(entry.what, entry.before, entry.after) for entry in found] == told
    assert any(not entry.announced for entry in found) is harm


def test_a_policy_that_docker_left_is_no_harm_when_it_is_gone() -> None:
    """After a migration the first reboot takes Docker's DROP away."""
    (found,) = reboot_compare.changes(host(forward_policy="DROP"), host())

    assert found.announced
