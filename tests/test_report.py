"""Reports say all that a plan says, briefly, and no value of a node can reach the reader's terminal or page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from migrator.model.facts import FileFact, NodeFacts
from migrator.model.fate import Fate, KeyFate
from migrator.model.plan import FileChange, Finding, MigrationPlan, Phase, Plan, PlannedStep, Severity, Unplanned
from migrator.report import diffs, escape, markdown, schema, terminal, text
from migrator.report.groups import groups

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = Path(__file__).parent.parent / "docs" / "schema"

CERTIFICATE = "/etc/docker/certs.d/registry.example:5000/client.key"
KEY = "-----BEGIN PRIVATE KEY-----"
FINDINGS = (
    Finding(
        id="foreign-containers", severity=Severity.INFORMS, evidence="Docker runs containers that are not Kubernetes': db",
        remedy="they are left alone, and Docker stays running for them",
    ),
    Finding(
        id="budget-exhausted", severity=Severity.WARNS,
        evidence="PodDisruptionBudget web allows no eviction of shop/web now", remedy="the drain would wait for it",
    ),
)  # fmt: skip
LOST = Finding(
    id="docker-settings", severity=Severity.BLOCKS, waivable=True,
    evidence="/etc/docker/daemon.json sets exec-opts, which nothing else does", remedy="configure the same by hand",
)  # fmt: skip
STEPS = (
    PlannedStep(
        id="stage", title="Stage the new runtime", phase=Phase.STAGE, needed=True, reason="carries 2 images over"
    ),
    PlannedStep(id="drain", title="Drain", phase=Phase.WINDOW, needed=True, reason="3 pods leave; 1 stays (static)"),
    PlannedStep(
        id="retire", title="Retire Docker", phase=Phase.AFTER, needed=False, reason="Docker stays running for db"
    ),
)
FATES = (
    KeyFate(key="bip", fate=Fate.NOT_APPLICABLE, reason="pods are not on docker0"),
    KeyFate(key="registry-mirrors", fate=Fate.CARRIED, to="/etc/containerd/certs.d/docker.io/hosts.toml"),
    KeyFate(key="log-opts.max-size", fate=Fate.MOVED, to="kubelet: containerLogMaxSize", reason="rounded up to 1Mi"),
    KeyFate(key="exec-opts", fate=Fate.LOST, reason="containerd has one timeout for all"),
    KeyFate(key="icc", fate=Fate.NOT_APPLICABLE, reason="pods are not on docker0"),
    KeyFate(key="registry-miror", fate=Fate.UNKNOWN, reason="did you mean registry-mirrors?"),
)


def file(path: str, content: str, **update: object) -> FileFact:
    """Give a file of root's on the node."""
    plain = FileFact(path=path, exists=True, content=content, mode="0644", owner="root", group="root", sha256="a" * 64)
    return plain.model_copy(update=update)


FILES = (
    FileChange(
        path="/etc/containerd/config.toml",
        content='version = 2\n\n[plugins]\n\tpause = "p:1"\n',
        before=file("/etc/containerd/config.toml", 'disabled_plugins = ["cri"]\r\nversion = 2\n\n[plugins]'),
    ),
    FileChange(path="/etc/crictl.yaml", content="timeout: 10\n", before=FileFact(path="/etc/crictl.yaml")),
    FileChange(
        path="/etc/containerd/certs.d/registry.example:5000/client.key",
        copies=file(CERTIFICATE, KEY, sha256="c" * 64),
        mode="0600",
        before=FileFact(path="/etc/containerd/certs.d/registry.example:5000/client.key"),
    ),
    FileChange(
        path="/etc/default/kubelet",
        content="KUBELET_EXTRA_ARGS=\n",
        mode="0600",
        before=file("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n"),
    ),
)


def node(name: str, **update: object) -> MigrationPlan:
    """Give the plan of a node that has something of everything."""
    plain = MigrationPlan(
        host=f"{name}.example",
        node=name,
        machine_id="0" * 32,
        source="docker://20.10.24",
        target="containerd://1.7.24",
        endpoint="unix:///run/containerd/containerd.sock",
        findings=FINDINGS,
        steps=STEPS,
        fates=FATES,
        files=FILES,
        images=("registry.example/pause:3.2", "web:1"),
    )
    return plain.model_copy(update=update)


def done(name: str, reason: str = "the node already runs containerd://1.7.24") -> MigrationPlan:
    """Give the plan of a node that needs nothing."""
    steps = tuple(step.model_copy(update={"needed": False, "reason": reason}) for step in STEPS)
    return node(
        name, source="containerd://1.7.24", findings=(), steps=steps, fates=(), files=(), images=()
    )  # fmt: skip


def other(value: Any, index: int, **update: object) -> tuple[Any, ...]:
    """Give a tuple of values in which one has other fields."""
    return tuple(entry.model_copy(update=update) if place == index else entry for place, entry in enumerate(value))


# A node that differs only in what was seen and why, which does not part it from the others.
DRAINS_MORE = other(STEPS, 1, reason="12 pods leave; 1 stays (static)")
RUNS_MORE = other(FINDINGS, 0, evidence="Docker runs containers that are not Kubernetes': db, mail")

GOLDENS: dict[str, Plan] = {
    "single": Plan(nodes=(node("worker-1"),)),
    "group": Plan(
        nodes=(node("worker-1"), node("worker-2", steps=DRAINS_MORE, findings=RUNS_MORE), node("worker-3")),
    ),
    "blocked": Plan(
        nodes=(node("worker-1", findings=(*FINDINGS, LOST), files=(), images=()), node("worker-2", files=())),
        unplanned=(
            Unplanned(host="worker-3", problem="no answer\nwithin 20 s"),
            Unplanned(host="worker-4", problem="no answer\nwithin 20 s"),
        ),
    ),
    "nothing": Plan(nodes=(done("worker-1"), done("worker-2"), done("worker-3", "nobody wants this node moved"))),
}  # fmt: skip


def golden(path: Path, actual: str) -> None:
    """Compare with a recorded text; UPDATE_GOLDEN=1 records it anew."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(actual, newline="")
    assert path.exists(), f"UPDATE_GOLDEN=1 records {path.name}"
    assert actual == path.read_bytes().decode(), f"UPDATE_GOLDEN=1 records {path.name} anew"


@pytest.mark.parametrize("name", GOLDENS)
def test_the_text_of_a_plan(name: str) -> None:
    """People read equal nodes once, with all that would change."""
    golden(GOLDEN / f"report_{name}.txt", text.plan(GOLDENS[name]))


@pytest.mark.parametrize("name", GOLDENS)
def test_the_markdown_of_a_plan(name: str) -> None:
    """A pull request gets the same in tables and folded diffs."""
    golden(GOLDEN / f"report_{name}.md", markdown.plan(GOLDENS[name]))


# case: what a second node has otherwise, and how many groups the two make
GROUPING: dict[str, tuple[dict[str, object], int]] = {
    "nothing": ({}, 1),
    "the machine": ({"machine_id": "1" * 32, "host": "elsewhere"}, 1),
    "evidence": ({"findings": RUNS_MORE}, 1),
    "a reason": ({"steps": DRAINS_MORE}, 1),
    "the source": ({"source": "docker://19.03.15"}, 2),
    "the target": ({"target": "containerd://2.0.1"}, 2),
    "whether a step is needed": ({"steps": other(STEPS, 0, needed=False)}, 2),
    "a severity": ({"findings": other(FINDINGS, 0, severity=Severity.WARNS)}, 2),
    "a missing finding": ({"findings": FINDINGS[:1]}, 2),
    "a fate": ({"fates": other(FATES, 0, fate=Fate.LOST)}, 2),
    "an image": ({"images": ("web:1",)}, 1),
    "a file's content": ({"files": other(FILES, 0, content="version = 3\n")}, 2),
    "a file's mode": ({"files": other(FILES, 0, mode="0600")}, 2),
    "what a file was": ({"files": other(FILES, 0, before=file(FILES[0].path, "", sha256="b" * 64))}, 2),
    "a copied file's bytes": ({"files": other(FILES, 2, copies=file(CERTIFICATE, KEY, sha256="d" * 64))}, 2),
}


@pytest.mark.parametrize(("update", "number"), GROUPING.values(), ids=GROUPING)
def test_equal_nodes_are_one_group(update: dict[str, object], number: int) -> None:
    """Nodes are told apart by what would be done to them, not by what led to it."""
    assert len(groups(Plan(nodes=(node("worker-1"), node("worker-2", **update))))) == number


def test_groups_stand_in_the_order_of_their_first_nodes() -> None:
    """A group's place is that of its first node, and its nodes keep their order."""
    plan = Plan(nodes=(node("c"), done("b"), node("a"), done("d")))

    assert [group.names for group in groups(plan)] == [("c", "a"), ("b", "d")]


def test_nodes_that_share_nothing_in_memory_are_equal() -> None:
    """What counts is what a plan says, as after reading it from a file; bench/planning.py measures large fleets."""
    one = node("worker").model_dump_json()
    plan = Plan(nodes=tuple(MigrationPlan.model_validate_json(one) for _ in range(3)))

    assert [len(group.nodes) for group in groups(plan)] == [3]


def test_a_large_group_is_short() -> None:
    """Of many names and reasons only the first are shown, and the rest is counted."""
    plan = Plan(
        nodes=tuple(
            node(f"w{number}", steps=other(STEPS, 1, reason=f"{number} pods leave")) for number in range(1500)
        )
    )  # fmt: skip

    shown = text.plan(plan)

    assert shown.startswith("w0, w1, w2, w3, w4, w5, w6, w7, … and 1,492 more (1,500 nodes): docker://")
    assert "      … and 1,492 more nodes: the plan's JSON (-o json) has each\n" in shown
    assert len(shown.splitlines()) < 60
    assert shown.endswith("Plan: 1,500 to migrate, 0 blocked, 0 with nothing to do.\n")


def test_evidence_that_blocks_is_never_left_out() -> None:
    """What has to be mended is named for each node, however many there are."""
    plan = Plan(
        nodes=tuple(
            node(f"w{number}", findings=(LOST.model_copy(update={"evidence": f"sets key-{number}."}),))
            for number in range(100)
        )
    )  # fmt: skip

    for report in (text.plan(plan), markdown.plan(plan)):
        assert all(f"sets key-{number}." in report for number in range(100))


# case: the finding, and the flag that is added to its remedy
FLAGS = {
    "a waivable one": (LOST, "--allow docker-settings"),
    "named by the remedy": (LOST.model_copy(update={"remedy": "mend it, or --allow docker-settings."}), ""),
    "another id named": (LOST.model_copy(update={"remedy": "--allow docker-settings-2"}), "--allow docker-settings"),
    "waived already": (LOST.model_copy(update={"severity": Severity.WARNS}), ""),
    "not waivable": (LOST.model_copy(update={"waivable": False}), ""),
}


@pytest.mark.parametrize(("finding", "flag"), FLAGS.values(), ids=FLAGS)
def test_a_waivable_finding_shows_its_flag(finding: Finding, flag: str) -> None:
    """The exact option is shown once, and only where it does something."""
    assert text.flag(finding) == flag


# case: what is to be shown, and how
VISIBLE = {
    "plain text": ('a "b" ✗ é 漢', 'a "b" ✗ é 漢'),
    "a colour": ("\x1b[31mred", r"\x1b[31mred"),
    "an escape of one byte": ("\x9b31m", r"\x9b31m"),
    "a title of the window": ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
    "line ends": ("a\r\nPlan: 9 to migrate\u2028x\x85", r"a\r\nPlan: 9 to migrate\u2028x\x85"),
    "a tab": ("a\tb", r"a\tb"),
    "overwriting": ("bad\b\b\bgood\x7f", r"bad\x08\x08\x08good\x7f"),
    "the other direction": ("a\u202egnp.sh", r"a\u202egnp.sh"),
    "invisible signs": ("a\u200bb\u00adc\ufeff", r"a\u200bb\xadc\ufeff"),
    "half a sign": ("\ud800", r"\ud800"),
    "beyond the first plane": ("\U000e0041", r"\U000e0041"),
}


@pytest.mark.parametrize(("value", "shown"), VISIBLE.values(), ids=VISIBLE)
def test_nothing_is_written_to_the_terminal(value: str, shown: str) -> None:
    """What a terminal would obey, or nobody would see, is shown as its escape."""
    assert escape.visible(value) == shown


# case: a value, how it stands as a word of a sentence
WORDS = {
    "plain": ("don't (2), 50%?", "don't (2), 50%?"),
    "a path at the end": ("see /etc/x.", "see `/etc/x`."),
    "a cell": ("a|b", "<code>a&#124;b</code>"),
    "an escaped cell": ("a\\|b", "<code>a&#92;&#124;b</code>"),
    "code": ("`x`", "<code>&#96;x&#96;</code>"),
    "a backslash": ("a\\", "`a\\`"),
    "HTML": ("<img src=x>", "`<img` `src=x>`"),
    "an entity": ("&lt;", "`&lt`;"),
    "emphasis": ("*a* _b_ a_b ~~c~~", "`*a*` `_b_` `a_b` `~~c~~`"),
    "a link": ("[a](b)", "`[a](b`)"),
    "an image": ("![a](b)", "`![a](b`)"),
    "an address": ("https://x www.x x://y", "`https://x` `www.x` `x://y`"),
    "a mention": ("@all, me@x", "`@all`, `me@x`"),
    "a reference": ("#1 a/b#1", "`#1` `a/b#1`"),
    "mathematics": ("$x$", "`$x$`"),
    "line ends": ("a\n\n# b\r\nc", "a `#` b c"),
    "an escape sequence": ("\x1b[1m", "`\\x1b[1m`"),
}


@pytest.mark.parametrize(("value", "shown"), WORDS.values(), ids=WORDS)
def test_a_sentence_is_no_markdown(value: str, shown: str) -> None:
    """A word that Markdown could take for more becomes code."""
    assert markdown.words(value) == shown


HOSTILE = (
    "`", "``` ", "|", "\\|", "a\\", "<script>", "</details>", "<!--", "\n\n# heading\n\n", "```\n\n</details>\n", "- x",
    "\r", "\x1b[2J", "\u202e", "[a](http://x)", "![](x)", "@team", "*a*", "__b__", "&#124;", "| a | b |", "---", "~~~",
    "$$", "  ", "", "1. x", "> q", "    code", "</summary>", "<br>", "www.x.y", "\t", "$`x`$",
)  # fmt: skip


def hostile_plan(make: Callable[[], str]) -> Plan:
    """Give a plan whose shape is always the same and whose texts all come from `make`."""
    steps = tuple(
        PlannedStep(id=make(), title=make(), phase=step.phase, needed=step.needed, reason=make()) for step in STEPS
    )
    findings = tuple(
        Finding(id=make(), severity=severity, evidence=make(), remedy=make(), waivable=severity is Severity.BLOCKS)
        for severity in Severity
    )
    fates = tuple(KeyFate(key=make(), fate=fate, to=make(), reason=make()) for fate in Fate)
    copied = FileFact(path=make(), exists=True, content=KEY, sha256="c" * 64)
    known = file(make(), make(), problem=make(), owner=make())
    files = (
        FileChange(path=make(), content=make() + "1", before=FileFact(path="x")),
        FileChange(path=make(), content=make() + "2", before=known),
        FileChange(path=make(), copies=copied, before=file("x", KEY)),
    )
    return Plan(
        nodes=(
            node("x", findings=findings, steps=steps, fates=fates, files=files, images=(make(),))
            .model_copy(update={"node": make(), "source": f"a://{make()}", "target": make()}),
        ),
        unplanned=(Unplanned(host=make(), problem=make()),),
    )  # fmt: skip


texts = st.one_of(st.sampled_from(HOSTILE), st.text(), st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join))
plans = st.builds(
    lambda pool: hostile_plan(chain(pool, ["x"] * 60).__next__), st.lists(texts, min_size=45, max_size=45)
)  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_makes_lines_of_its_own(value: str) -> None:
    """A plan of hostile values has the lines of one of harmless values, save those of its diffs, and all of them print."""

    def lines(plan: Plan) -> int:
        compared = [line for change in plan.nodes[0].files for line in diffs.diff(change)]
        assert all(line.replace("\t", "").isprintable() for line in compared)
        return text.plan(plan).count("\n") - len(compared)

    shown = hostile_plan(lambda: value)

    assert lines(shown) - lines(hostile_plan(lambda: "x")) == (0 if value.strip() else -2)  # no remedy, no line
    assert all(line.replace("\t", "").isprintable() for line in text.plan(shown).split("\n"))


@pytest.mark.parametrize("value", HOSTILE)
def test_a_page_of_one_hostile_value_keeps_its_structure(value: str) -> None:
    """Wherever it stands, the value makes no cell, row, block, link or markup."""
    assert structure(parsed(hostile_plan(lambda: value))) == structure(parsed(hostile_plan(lambda: "x")))


@given(plans)
def test_a_report_has_all_of_a_plan(plan: Plan) -> None:
    """Every finding, step, file and setting appears in the text, in no other lines than ours, and no secret does."""
    entry = plan.nodes[0]

    shown = text.plan(plan)

    for value in (
        *(finding.id for finding in entry.findings),
        *(step.title for step in entry.steps),
        *(change.path for change in entry.files),
        *(fate.key for fate in entry.fates),
        *entry.images,
    ):
        assert escape.visible(value) in shown
    assert all(line.replace("\t", "").isprintable() for line in shown.split("\n"))
    assert [line for line in shown.split("\n") if line.startswith("Plan: ")][-1:] == [text.summary(plan)]
    assert "PRIVATE" not in shown
    assert terminal.styled(shown).plain == shown


def structure(tokens: Sequence[Token]) -> list[str]:
    """Name the blocks of a page, and whatever stands in its lines beside text and code."""
    found = []
    for token in tokens:
        inner = [child.type for child in token.children or () if child.type not in {"text", "code_inline"}]
        tags = [child.content for child in token.children or () if child.type == "html_inline"]
        assert set(inner) <= {"html_inline"}, f"{inner} in {token.content!r}"
        assert set(tags) <= {"<code>", "</code>", "<br>"}
        found.append(token.type)
        if token.type == "html_block":
            parts = token.content.split("<summary>")
            assert all(part.count("<") == part.count("<code>") + part.count("</") for part in parts[1:])
    return found


def parsed(plan: Plan) -> list[Token]:
    """Read a report as GitHub does, without its first paragraph: CommonMark with tables."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown.plan(plan))[3:]


@given(plans)
def test_no_value_changes_the_structure_of_markdown(plan: Plan) -> None:
    """A page of hostile values has the blocks, rows and cells of one of harmless values, and no links or markup."""
    harmless = structure(parsed(hostile_plan(lambda: "x")))

    found = structure(parsed(plan))

    ignored = {"fence"}  # a file whose text stays has no diff
    assert [name for name in found if name not in ignored] == [name for name in harmless if name not in ignored]
    assert "PRIVATE" not in markdown.plan(plan)
    assert all(line.replace("\t", "").isprintable() for line in markdown.plan(plan).split("\n"))


def test_a_diff_with_fences_stays_in_its_block() -> None:
    """A file that holds Markdown of its own does not end the block that it is shown in."""
    content = "text\n```\n</details>\n````\nend\n"
    change = FileChange(path="/x", content=content + "new\n", before=file("/x", content))

    tokens = parsed(Plan(nodes=(node("worker-1", files=(change,), images=()),)))

    fences = [token for token in tokens if token.type == "fence"]
    assert [token.info for token in fences] == ["diff"]
    assert "+new" in fences[0].content


# case: what a file was, what it shall be, and the lines that differ
DIFFS = {
    "a line": ("a\nb\n", "a\nc\n", ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
    "the last line's end": ("a", "a\n", ["@@ -1 +1 @@", "-a", "\\ No newline at end of file", "+a"]),
    "a carriage return": ("a\r\n", "a\n", ["@@ -1 +1 @@", "-a\\r", "+a"]),
    "a line end that is none": ("a\x0cb\n", "a\n", ["@@ -1 +1 @@", "-a\\x0cb", "+a"]),
    "a tab": ("", "a\tb\n", ["@@ -0,0 +1 @@", "+a\tb"]),
    "an escape sequence": ("", "\x1b[2J\n", ["@@ -0,0 +1 @@", "+\\x1b[2J"]),
}


@pytest.mark.parametrize(("before", "after", "lines"), DIFFS.values(), ids=DIFFS)
def test_a_diff_shows_every_change(before: str, after: str, lines: list[str]) -> None:
    """No change is hidden, not even one that cannot be seen, and nothing reaches the terminal."""
    shown = list(diffs.diff(FileChange(path="/x", content=after, before=file("/x", before))))

    assert shown == ["--- /x", "+++ /x", *lines]


NEW = FileFact(path="/x")
# case: the change, and what is said beside its diff
NOTES = {
    "an ordinary new file": (FileChange(path="/x", content="a\n", before=NEW), ""),
    "an ordinary change": (FileChange(path="/x", content="a\n", before=file("/x", "b\n")), ""),
    "a new file for root alone": (FileChange(path="/x", content="a\n", mode="0600", before=NEW), "mode 0600"),
    "an empty new file": (FileChange(path="/x", before=NEW), "new and empty"),
    "the same text": (FileChange(path="/x", content="a\n", before=file("/x", "a\n")), "its content stays"),
    "other rights": (
        FileChange(path="/x", content="a\n", mode="0600", owner="a", before=file("/x", "a\n")),
        "mode 0644 → 0600, owner root:root → a:root",
    ),
    "a copy": (
        FileChange(path="/x", copies=file("/y", KEY), before=NEW),
        f"copied from /y (sha256 {'a' * 64}), new",
    ),
    "a copy over a file": (
        FileChange(path="/x", copies=file("/y", KEY), before=file("/x", "", sha256="b" * 64)),
        f"copied from /y (sha256 {'a' * 64}), replaces sha256 {'b' * 64}",
    ),
    "a file that cannot be read": (
        FileChange(path="/x", content="a\n", before=file("/x", "", problem="not UTF-8")),
        "what it says now is not shown (not UTF-8)",
    ),
    "a file with secrets": (
        FileChange(path="/x", content="a\n", before=file("/x", "b\n", hidden=True)),
        "secrets in it are shown as their hashes",
    ),
}


@pytest.mark.parametrize(("change", "note"), NOTES.values(), ids=NOTES)
def test_what_a_diff_cannot_show_is_said(change: FileChange, note: str) -> None:
    """Origin, rights and what is not shown stand beside the diff."""
    assert diffs.note(change) == note


def test_fates_alone_are_a_table() -> None:
    """`migrator translate` shows the table without a plan around it, and nothing for no settings."""
    assert text.fates(()) == ""
    assert text.fates(FATES).split("\n") == [
        "exec-opts          lost     containerd has one timeout for all",
        "registry-miror     unknown  did you mean registry-mirrors?",
        "log-opts.max-size  moved    kubelet: containerLogMaxSize; rounded up to 1Mi",
        "registry-mirrors   carried  /etc/containerd/certs.d/docker.io/hosts.toml",
        "not applicable: bip, icc",
    ]


# case: how a line of the report begins, and its colour
COLOURS = {
    "worker-1: docker": "bold",
    "Plan: ": "bold",
    "  ✗ docker-settings": "red",
    "  ! budget-exhausted": "yellow",
    "  + Drain": "green",
    "  - Retire": "dim",
    "    exec-opts": "yellow",
    "  --- /etc/containerd/config.toml": "bold",
    "  -disabled_plugins": "red",
    "  +\tpause": "green",
    "  @@": "cyan",
    "  Steps": "",
}


@pytest.mark.parametrize(("start", "style"), COLOURS.items(), ids=COLOURS)
def test_a_terminal_has_colours(start: str, style: str) -> None:
    """What forbids, warns, comes and goes has its own colour, and the text stays as it is."""
    shown = text.plan(Plan(nodes=(node("worker-1", findings=(*FINDINGS, LOST)),)))

    styled = terminal.styled(shown)

    assert styled.plain == shown
    at = f"\n{shown}".index(f"\n{start}")
    assert [str(span.style) for span in styled.spans if span.start <= at < span.end] == ([style] if style else [])


SCHEMA_FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "plan.schema.json": schema.plan_schema,
    "facts.schema.json": schema.facts_schema,
    "verdict.schema.json": schema.verdict_schema,
}


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_the_published_schemas_are_current(name: str) -> None:
    """What docs/schema says is what the models are."""
    golden(SCHEMAS / name, json.dumps(SCHEMA_FILES[name](), indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_a_schema_is_one(name: str) -> None:
    """The schemas are valid, name their dialect and what they describe, and no address that nobody serves."""
    made = SCHEMA_FILES[name]()

    jsonschema.Draft202012Validator.check_schema(made)
    assert made["$schema"] == schema.DIALECT
    assert made["title"]
    assert "$id" not in made


@pytest.mark.parametrize("plan", GOLDENS.values(), ids=GOLDENS)
def test_a_plan_fits_its_schema(plan: Plan) -> None:
    """The JSON that `migrator plan` prints is what the schema promises."""
    jsonschema.Draft202012Validator(schema.plan_schema()).validate(json.loads(plan.model_dump_json()))


def test_facts_fit_their_schema() -> None:
    """A host's facts are what the schema promises, and a key that nobody knows is not."""
    validator = jsonschema.Draft202012Validator(schema.facts_schema())
    facts = json.loads(NodeFacts(schema_version=2, root=True).model_dump_json())

    validator.validate(facts)
    assert not validator.is_valid(facts | {"surprise": 1})


def test_fields_are_described_in_the_schema() -> None:
    """What the models say of their fields is for readers of the documents too."""
    described = schema.plan_schema()["$defs"]["MigrationPlan"]["properties"]["node"]["description"]

    assert described == "Its name in the cluster."
