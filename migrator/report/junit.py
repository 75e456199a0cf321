"""Verdicts as JUnit XML, for what shows test results: a suite for each session, a case for each check.

The form is that of the Jenkins schema (junit-10.xsd), which GitLab and others read too.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from migrator.model.evidence import Checked, Difference, Outcome, Verdict
from migrator.model.verification import NodeProof, Verification
from migrator.report.escape import prose, visible
from migrator.report.verdict import SESSIONS, reasons

_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def junit(value: Verification) -> str:
    r"""Give the document, with an XML declaration and without a line end.

    What XML forbids in a text (control characters, half signs, U+FFFE) stands as its escape, for example `\x1b`.
    """
    root = Element("testsuites", name="migrator verify")
    for entry in value.nodes:
        for verdict in entry.verdicts:
            root.append(_session(entry, verdict))
        if entry.problem or entry.reboot is not None:
            root.append(_beside(entry))
    _count(root, root.iter("testcase"))
    root.set("time", _seconds(sum(verdict.seconds for entry in value.nodes for verdict in entry.verdicts)))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _session(entry: NodeProof, value: Verdict) -> Element:
    suite = _suite(entry, SESSIONS[value.circumstances.via], value.seconds)
    properties = SubElement(suite, "properties")
    for name, found in value.circumstances.model_dump(mode="json").items():
        if said := " ".join(found) if isinstance(found, list) else str(found):
            SubElement(properties, "property", name=name, value=visible(said))
    for check in value.checks:
        _check(suite, check)
    for difference in value.differences:
        _difference(suite, "baseline", difference)
    for number, problem in enumerate(value.problems, 1):
        _error(suite, f"session-{number}", problem)
    _count(suite, suite.iter("testcase"))
    return suite


def _beside(entry: NodeProof) -> Element:
    """Give what belongs to no session: that there is none, and what a reboot changed."""
    suite = _suite(entry, "node" if entry.reboot is None else "reboot", 0)
    if entry.problem:
        _error(suite, "proof", entry.problem)
    for difference in entry.reboot or ():
        _difference(suite, "reboot", difference)
    if entry.reboot == () and not entry.problem:
        _case(suite, "reboot", "host")
    _count(suite, suite.iter("testcase"))
    return suite


def _suite(entry: NodeProof, session: str, seconds: float) -> Element:
    name = visible(entry.node)
    return Element("testsuite", name=f"{name} {session}", hostname=name, time=_seconds(seconds))


def _case(suite: Element, kind: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=visible(kind), name=visible(name))


def _check(suite: Element, value: Checked) -> None:
    case = _case(suite, value.job, value.id)
    if value.outcome is Outcome.UNKNOWN:
        SubElement(case, "skipped", message=prose(value.found))
    elif value.outcome is Outcome.FAILED:
        _fail(case, f"{value.id}: {value.found}", reasons(value))


def _difference(suite: Element, kind: str, value: Difference) -> None:
    case = _case(suite, kind, value.what)
    told = {"before": value.before, "after": value.after, "announced": value.announced, "source": value.source}
    if value.announced:
        SubElement(case, "system-out").text = _lines(told)
    else:
        _fail(case, f"{value.what} changed, and nobody announced it", told)


def _error(suite: Element, name: str, problem: str) -> None:
    case = _case(suite, "session", name)
    SubElement(case, "error", message=prose(problem)).text = prose(problem)


def _fail(case: Element, message: str, told: dict[str, str]) -> None:
    SubElement(case, "failure", message=prose(message)).text = _lines(told)


def _lines(told: dict[str, str]) -> str:
    return "\n".join(f"{what}: {prose(said)}" for what, said in told.items() if said)


def _count(element: Element, cases: Iterable[Element]) -> None:
    listed = list(cases)
    element.set("tests", str(len(listed)))
    for name, kind in _COUNTED.items():
        element.set(name, str(sum(case.find(kind) is not None for case in listed)))


def _seconds(value: float) -> str:
    return f"{value:.3f}"
