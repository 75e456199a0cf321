"""The kubelet's flags, rewritten by its version."""

import pytest

from migrator.planning.translate import kubelet
from tests.fakes import values

ENDPOINT = "unix:///run/containerd/containerd.sock"
NEW = f"--container-runtime-endpoint={ENDPOINT}"
REMOTE = f"--container-runtime=remote {NEW}"

# case: kubelet version, what kubeadm wrote, what has to stand there instead
CASES = {
    "kubeadm's own flags of 1.20": (
        "1.20.2",
        "--network-plugin=cni --pod-infra-container-image=p:1",
        f"--pod-infra-container-image=p:1 {REMOTE}",
    ),
    "1.16 needs the runtime flag too": ("1.16.0", "--network-plugin=cni", REMOTE),
    "1.23 is the last with dockershim": ("1.23.17", "--network-plugin=cni", REMOTE),
    "1.26 still takes the runtime flag": ("1.26.0", "", REMOTE),
    "1.27 dies of the runtime flag": ("1.27.0", "--container-runtime=remote --v=2", f"--v=2 {NEW}"),
    "1.34 keeps the pause image from collection": (
        "1.34.0",
        "--pod-infra-container-image=p:1",
        f"--pod-infra-container-image=p:1 {NEW}",
    ),
    "1.35 dies of the pause image flag": ("1.35.0", "--pod-infra-container-image=p:1", NEW),
    "values as words of their own": ("1.20.2", "--network-plugin cni --v 2", f"--v 2 {REMOTE}"),
    "every dockershim flag goes": (
        "1.20.2",
        "--network-plugin=cni --cni-conf-dir=/c --cni-bin-dir=/b --cni-cache-dir=/x --docker-endpoint=unix:///d "
        "--image-pull-progress-deadline=2m --network-plugin-mtu=1400 --non-masquerade-cidr=10.0.0.0/8 "
        "--experimental-dockershim-root-directory=/e --redirect-container-streaming",
        REMOTE,
    ),
    "an old endpoint is replaced, not repeated": ("1.20.2", "--container-runtime-endpoint=unix:///old", REMOTE),
    "flags that only begin alike stay": ("1.20.2", "--network-plugin-foo=1", f"--network-plugin-foo=1 {REMOTE}"),
    "other flags stay in their order": ("1.20.2", "--b=1 --network-plugin=cni --a=2", f"--b=1 --a=2 {REMOTE}"),
}


@pytest.mark.parametrize(("version", "before", "after"), CASES.values(), ids=CASES)
def test_kubeadm_flags_fit_the_kubelet(version: str, before: str, after: str) -> None:
    """kubeadm-flags.env names the new runtime and nothing that this kubelet would die of."""
    facts = values.facts(
        kubelet=values.facts().kubelet.model_copy(update={"version": version}),
        files=values.files(kubeadm_env=f'KUBELET_KUBEADM_ARGS="{before}"\n'),
    )

    written = kubelet.rewrite(facts, endpoint=ENDPOINT)

    assert written[kubelet.KUBEADM_ENV] == f'KUBELET_KUBEADM_ARGS="{after}"\n'


def test_other_lines_stay() -> None:
    """Comments and other variables of an environment file are not touched."""
    text = "# ours\nOTHER=1\nKUBELET_EXTRA_ARGS='--cni-bin-dir=/b --v=3'\n"
    facts = values.facts(files=values.files(default=text))

    written = kubelet.rewrite(facts, endpoint=ENDPOINT)

    assert written["/etc/default/kubelet"] == '# ours\nOTHER=1\nKUBELET_EXTRA_ARGS="--v=3"\n'


def test_a_right_file_is_left_alone() -> None:
    """A file without runtime flags is not written."""
    facts = values.facts(files=values.files(default="KUBELET_EXTRA_ARGS=--v=3\n"))

    assert "/etc/default/kubelet" not in kubelet.rewrite(facts, endpoint=ENDPOINT)


def test_rewriting_twice_changes_nothing() -> None:
    """What was written once is right."""
    once = kubelet.rewrite(values.facts(), endpoint=ENDPOINT)
    again = values.facts(
        files=values.files(kubeadm_env=once[kubelet.KUBEADM_ENV], default=once["/etc/default/kubelet"])
    )

    assert kubelet.rewrite(again, endpoint=ENDPOINT) == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--a=1", "--a=2"], {"--a": "2"}),
        (["--a", "1", "--b"], {"--a": "1", "--b": ""}),
        (["-v=2"], {"--v": "2"}),
        ([], {}),
    ],
)
def test_a_command_line_is_read_as_the_kubelet_reads_it(arguments: list[str], expected: dict[str, str]) -> None:
    """The last of a flag wins; a value may follow as a word of its own."""
    assert kubelet.flags_of(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "config", "driver"),
    [
        (["--cgroup-driver=systemd"], "cgroupDriver: cgroupfs\n", "systemd"),
        ([], "cgroupDriver: systemd\n", "systemd"),
        ([], "{}\n", "cgroupfs"),
        ([], "", "cgroupfs"),
    ],
    ids=["the flag wins", "the configuration", "its default", "no configuration"],
)
def test_the_kubelets_cgroup_driver(arguments: list[str], config: str, driver: str) -> None:
    """The driver is the kubelet's own, from where it really comes."""
    facts = values.facts(
        kubelet=values.facts().kubelet.model_copy(update={"arguments": tuple(arguments)}),
        files=values.files(config=config),
    )

    assert kubelet.cgroup_driver(facts) == driver
