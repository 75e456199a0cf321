"""The command line that the kubelet must have after its switch is known only where that of now is explained."""

from __future__ import annotations

import pytest

from migrator.engine.migration import STEPS
from migrator.model.facts import NodeFacts
from migrator.nodeconf.kubelet import expected
from migrator.nodeconf.systemd.edit import DROP_IN
from migrator.planning import plan
from tests.fakes import values
from tests.fakes.values import KUBEADM_ENV, PAUSE, facts, files, kubelet, situation

ENV = "/var/lib/kubelet/kubeadm-flags.env"
NOW = kubelet().arguments


def test_the_plan_says_what_the_kubelet_will_be_started_with() -> None:
    """The flags of before without Docker's, and those for the new runtime."""
    made = plan.make(situation(), STEPS)

    assert made.kubelet_arguments == (
        *NOW[:3],
        NOW[4],
        "--container-runtime=remote",
        "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
    )


def specified() -> NodeFacts:
    """Give a kubelet whose name systemd puts in."""
    return facts(
        files=files(default="KUBELET_EXTRA_ARGS=\n", kubelet_drop_in=values.DROP_IN_TEXT.replace("$KUBELET_EXTRA_ARGS", "--hostname-override=%H")),
        kubelet=kubelet(arguments=(*NOW[:5], "--hostname-override=worker-1")),
    )  # fmt: skip


def hidden() -> NodeFacts:
    """Give one with a file whose secrets facts do not show."""
    found = facts()
    path = "/etc/default/kubelet"
    return found.model_copy(update={"files": {**found.files, path: values.changed(found.file(path), {"hidden": True})}})


KNOWN = {
    "as it is": (facts(), {}, NOW),
    "a file that changes": (facts(), {ENV: 'KUBELET_KUBEADM_ARGS="--a --b=c d"\n'}, (*NOW[:3], "--a", "--b=c", "d", NOW[-1])),
    "a file that is none of its own": (facts(), {"/etc/crictl.yaml": "KUBELET_KUBEADM_ARGS=--x\n"}, NOW),
    "a drop-in of ours": (facts(), {DROP_IN: "[Service]\nEnvironment=KUBELET_EXTRA_ARGS=--x\n"}, NOW),
    "a specifier that the process explains": (specified(), {ENV: "KUBELET_KUBEADM_ARGS=--a\n"}, (*NOW[:3], "--a", "--hostname-override=worker-1")),
}  # fmt: skip


@pytest.mark.parametrize(("found", "changed", "words"), KNOWN.values(), ids=KNOWN)
def test_it_is_what_systemd_makes_of_the_files(
    found: NodeFacts, changed: dict[str, str], words: tuple[str, ...]
) -> None:
    """Word for word."""
    assert expected.arguments(found, changed) == words


UNKNOWN = {
    "it does not run": (facts(kubelet=kubelet(arguments=())), {}),
    "somebody else sets a flag": (facts(kubelet=kubelet(arguments=(*NOW, "--v=2"))), {}),
    "files changed and no restart": (facts(files=files(kubeadm_env=KUBEADM_ENV.replace(PAUSE, "other"))), {}),
    "a secret": (hidden(), {}),
    "a specifier that is new": (facts(), {values.KUBELET_DROP_IN: "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet %H\n"}),
    "no files": (facts(files={}), {}),
}  # fmt: skip


@pytest.mark.parametrize(("found", "changed"), UNKNOWN.values(), ids=UNKNOWN)
def test_nothing_is_guessed(found: NodeFacts, changed: dict[str, str]) -> None:
    """A switch must not fail for a difference that it did not make."""
    assert expected.arguments(found, changed) == ()
