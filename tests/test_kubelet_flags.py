"""The kubelet's flags and configuration, rewritten by its version in the files where they stand."""

from collections.abc import Mapping

import pytest

from migrator import versions
from migrator.model.facts import CriDockerdFacts, FileFact, NodeFacts, UnitFacts
from migrator.nodeconf import kubelet
from migrator.nodeconf.kubelet import flags as kubelet_flags
from migrator.nodeconf.kubelet.flags import Difference, Flag
from migrator.nodeconf.settings import RuntimeSettings
from migrator.nodeconf.systemd.edit import DROP_IN
from tests.fakes import values

ENDPOINT = "unix:///run/containerd/containerd.sock"
CRIO = "unix:///var/run/crio/crio.sock"
NEW = f"--container-runtime-endpoint={ENDPOINT}"
REMOTE = f"--container-runtime=remote {NEW}"
PAUSE = f"--pod-infra-container-image={values.PAUSE}"
SHIM = "--container-runtime-endpoint=unix:///var/run/cri-dockerd.sock"
CONFIG = "/var/lib/kubelet/config.yaml"
DEFAULT = "/etc/default/kubelet"
PACKAGED = "/usr/lib/systemd/system/kubelet.service"
PACKAGED_DROP_IN = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
ADMIN = "/etc/systemd/system/kubelet.service"
ADMIN_DROP_IN = "/etc/systemd/system/kubelet.service.d/20-extra.conf"


def node(
    version: str,
    units: Mapping[str, str],
    variables: Mapping[str, str | None] | None = None,
    config: Mapping[str, str] | None = None,
    installation: str = "other",
    arguments: tuple[str, ...] = (),
) -> NodeFacts:
    """Give a node whose kubelet has these unit files, environment files and configuration files."""
    variables = variables or {}
    texts = {**units, **variables, **(config or {})}
    return values.facts(
        kubelet=values.kubelet(
            version=version,
            installation=installation,
            fragments=tuple(units),
            environment_files=tuple(variables),
            arguments=arguments,
        ),
        files={path: values.file(path, text) for path, text in texts.items() if text is not None},
    )


def after(facts: NodeFacts, written: Mapping[str, str]) -> NodeFacts:
    """Give the node once the files are written."""
    unit = facts.kubelet.unit
    if DROP_IN in written and DROP_IN not in unit.fragments:
        unit = unit.model_copy(update={"fragments": (*unit.fragments, DROP_IN)})
    files = {**facts.files, **{path: values.file(path, text) for path, text in written.items()}}
    return facts.model_copy(update={"kubelet": facts.kubelet.model_copy(update={"unit": unit}), "files": files})


def rewritten(facts: NodeFacts, settings: RuntimeSettings | None = None, endpoint: str = ENDPOINT) -> dict[str, str]:
    """Rewrite, and see that a second time nothing changes."""
    settings = usual(facts, settings or values.settings())
    written = kubelet.rewrite(facts, settings, endpoint)
    assert kubelet.rewrite(after(facts, written), settings, endpoint) == {}
    return written


def usual(facts: NodeFacts, settings: RuntimeSettings) -> RuntimeSettings:
    """Keep the pause image that the kubelet takes by itself, where nobody asked for another."""
    own = versions.pause_image(versions.parse(facts.kubelet.version))
    kept = settings.pause_image == values.PAUSE and kubelet.pause_image(facts) == own
    return settings.model_copy(update={"pause_image": own}) if kept else settings


def kubeadm(version: str, arguments: str, config: str = "cgroupDriver: systemd\n", **files: str) -> NodeFacts:
    """Give a node of kubeadm's, with these words in its own file of flags."""
    return node(
        version,
        {values.KUBELET_UNIT: values.UNIT_TEXT, values.KUBELET_DROP_IN: values.DROP_IN_TEXT},
        {kubelet.KUBEADM_ENV: f'KUBELET_KUBEADM_ARGS="{arguments}"\n', DEFAULT: files.get("default")},
        {CONFIG: config} | ({kubelet.INSTANCE_CONFIG: files["instance"]} if "instance" in files else {}),
        installation="kubeadm",
    )


# kubeadm's own flags by version: k8s-1.20.2 cmd/kubeadm/app/phases/kubelet/flags.go; kubernetes/kubernetes#106973
# (1.24), #112136 (1.27), #131981 (1.34), #133779 (1.35).
DOCKERSHIM = ("--network-plugin=cni " + PAUSE, f"{PAUSE} {REMOTE}")
KUBEADM = {
    **{f"1.{minor}": DOCKERSHIM for minor in range(16, 24)},
    **{
        f"1.{minor}": (
            f"--container-runtime=remote {SHIM} {PAUSE}", f"--container-runtime=remote {NEW} {PAUSE}"
        )
        for minor in range(24, 27)
    },
    **{f"1.{minor}": (f"{SHIM} {PAUSE}", f"{NEW} {PAUSE}") for minor in range(27, 34)},
    "1.34": (f"{SHIM} {PAUSE}", PAUSE),
    "1.35": (f"{SHIM} {PAUSE}", ""),
    "1.36": (f"--v=2 {SHIM} {PAUSE}", "--v=2"),
}  # fmt: skip


@pytest.mark.parametrize("version", KUBEADM)
def test_kubeadms_node_of_each_version(version: str) -> None:
    """Each kubelet is told of the new runtime where it looks for it, and of nothing that it would die of."""
    flags, wanted = KUBEADM[version]
    facts = kubeadm(f"{version}.3", flags)

    written = rewritten(facts)

    assert written[kubelet.KUBEADM_ENV] == f'KUBELET_KUBEADM_ARGS="{wanted}"\n'
    in_config = version in {"1.34", "1.35", "1.36"}
    line = f"containerRuntimeEndpoint: {ENDPOINT}\n"
    assert written.get(CONFIG) == (f"cgroupDriver: systemd\n{line}" if in_config else None)
    assert written.get(kubelet.INSTANCE_CONFIG) == (line if in_config else None)
    assert set(written) <= {kubelet.KUBEADM_ENV, CONFIG, kubelet.INSTANCE_CONFIG}


# case: kubelet version, what kubeadm's file says, what has to stand there instead
CASES = {
    "1.26 needs no runtime flag": ("1.26.0", "", NEW),
    "1.27 dies of the runtime flag": ("1.27.0", "--container-runtime=remote --v=2", f"--v=2 {NEW}"),
    "values as words of their own": ("1.20.2", "--network-plugin cni --v 2", f"--v 2 {REMOTE}"),
    "a negative number is a value": ("1.20.2", "--network-plugin=cni --oom-score-adj -999", f"--oom-score-adj -999 {REMOTE}"),
    "every dockershim flag goes": (
        "1.20.2",
        "--network-plugin=cni --cni-conf-dir=/c --cni-bin-dir=/b --cni-cache-dir=/x --docker-endpoint=unix:///d "
        "--image-pull-progress-deadline=2m --network-plugin-mtu=1400 --non-masquerade-cidr=10.0.0.0/8 "
        "--experimental-dockershim-root-directory=/e --redirect-container-streaming",
        REMOTE,
    ),
    # kubelet 1.20.2, cmd/kubelet/app/options/globalflags_linux.go
    "what cAdvisor left goes": ("1.20.2", "--docker=x --docker_only --docker-tls-ca=/ca --containerd=/c --v=2", f"--v=2 {REMOTE}"),
    # component-base, cli/flag, WordSepNormalizeFunc
    "underscores are dashes": ("1.20.2", "--network_plugin=cni --v=2", f"--v=2 {REMOTE}"),
    "an old endpoint is replaced, not repeated": ("1.20.2", "--container-runtime-endpoint=unix:///old --v=2", f"{REMOTE} --v=2"),
    "an endpoint as a word of its own": ("1.30.0", "--container-runtime-endpoint unix:///old --v=2", f"{NEW} --v=2"),
    "the last of several counts": ("1.30.0", f"{SHIM} --v=2 {SHIM}", f"--v=2 {NEW}"),
    "docker as runtime": ("1.20.2", "--container-runtime=docker --v=2", f"--container-runtime=remote --v=2 {NEW}"),
    # canonical/microk8s#3861: deleting by prefix took the endpoint too
    "the endpoint survives the runtime flag": ("1.27.0", f"--container-runtime=remote {NEW}", NEW),
    "flags that only begin alike stay": (
        "1.27.0", "--container-runtimes=1 --network-plugin-foo=1 --docker-x=1",
        f"--container-runtimes=1 --network-plugin-foo=1 --docker-x=1 {NEW}",
    ),
    "other flags stay in their order": ("1.20.2", "--b=1 --network-plugin=cni --a=2", f"--b=1 --a=2 {REMOTE}"),
    "images came through the shim too": ("1.30.0", f"{SHIM} --image-service-endpoint=unix:///var/run/cri-dockerd.sock", NEW),
    "images come from somewhere else": (
        "1.30.0", f"{SHIM} --image-service-endpoint=unix:///run/soci.sock", f"{NEW} --image-service-endpoint=unix:///run/soci.sock",
    ),
    "the runtime's cgroup": (
        "1.20.2", "--network-plugin=cni --runtime-cgroups=/system.slice/docker.service",
        f"--runtime-cgroups=/system.slice/containerd.service {REMOTE}",
    ),
    "another cgroup stays": (
        "1.20.2", "--network-plugin=cni --runtime-cgroups=/systemd/system.slice", f"--runtime-cgroups=/systemd/system.slice {REMOTE}",
    ),
    "the pause image that is collected otherwise": ("1.30.0", f"{NEW} --pod-infra-container-image=old:1", f"{NEW} {PAUSE}"),
}  # fmt: skip


@pytest.mark.parametrize(("version", "before", "wanted"), CASES.values(), ids=CASES)
def test_flags_fit_the_kubelet(version: str, before: str, wanted: str) -> None:
    """kubeadm-flags.env names the new runtime and nothing that this kubelet would die of."""
    written = rewritten(kubeadm(version, before))

    assert written[kubelet.KUBEADM_ENV] == f'KUBELET_KUBEADM_ARGS="{wanted}"\n'


# case: /etc/default/kubelet (Debian) before and after; containerd.io has its plugins elsewhere (facts on packages)
DEFAULTS = {
    "a flag without quotes": ("KUBELET_EXTRA_ARGS=--cni-bin-dir=/usr/lib/cni\n", "KUBELET_EXTRA_ARGS=\n"),
    "quotes and comments stay": (
        "# ours\nOTHER=1\nKUBELET_EXTRA_ARGS='--cni-bin-dir=/b --v=3' # no comment\n",
        "# ours\nOTHER=1\nKUBELET_EXTRA_ARGS='--v=3' # no comment\n",
    ),
    "the last flag of several": ('KUBELET_EXTRA_ARGS="--v=3 --docker-tls"\n', 'KUBELET_EXTRA_ARGS="--v=3"\n'),
    "one a line": (
        'KUBELET_EXTRA_ARGS="--v=3 \\\n  --cni-bin-dir=/b \\\n  --node-ip=10.0.0.1"\n',
        'KUBELET_EXTRA_ARGS="--v=3 \\\n  --node-ip=10.0.0.1"\n',
    ),
    "without a newline at the end": ("KUBELET_EXTRA_ARGS=--v=3 --cni-bin-dir=/b", "KUBELET_EXTRA_ARGS=--v=3"),
    "quotes inside the value": (
        "KUBELET_EXTRA_ARGS=--cni-bin-dir=/b --node-labels='a b'\n", "KUBELET_EXTRA_ARGS=--node-labels='a b'\n",
    ),
    "a piece in quotes is quoted anew": (
        'KUBELET_EXTRA_ARGS="--v=3 --cni-bin-dir="/b\n', 'KUBELET_EXTRA_ARGS="--v=3"\n',
    ),
    "hostile values stay data": (
        "KUBELET_EXTRA_ARGS='--cni-bin-dir=/b --a=$(reboot) --b={{ x }} --c=`y` --d=\"1 2\" --e=%H'\n",
        "KUBELET_EXTRA_ARGS='--a=$(reboot) --b={{ x }} --c=`y` --d=\"1 2\" --e=%H'\n",
    ),
    "an earlier assignment does not count": (
        "KUBELET_EXTRA_ARGS=--cni-bin-dir=/old\nKUBELET_EXTRA_ARGS=--cni-bin-dir=/b\n",
        "KUBELET_EXTRA_ARGS=--cni-bin-dir=/old\nKUBELET_EXTRA_ARGS=\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "wanted"), DEFAULTS.values(), ids=DEFAULTS)
def test_the_administrators_flags(before: str, wanted: str) -> None:
    """Only what must go goes, and everything else in the file keeps its bytes."""
    written = rewritten(kubeadm("1.20.2", "--network-plugin=cni", default=before))

    assert written[DEFAULT] == wanted


def test_a_right_file_is_left_alone() -> None:
    """A file without runtime flags is not written."""
    assert DEFAULT not in rewritten(kubeadm("1.20.2", "--network-plugin=cni", default="KUBELET_EXTRA_ARGS=--v=3\n"))


def test_a_flag_of_the_administrator_beats_kubeadms() -> None:
    """KUBELET_EXTRA_ARGS comes last on the command line: an endpoint there is the one that counts, and is changed."""
    facts = kubeadm("1.30.0", SHIM, default="KUBELET_EXTRA_ARGS=--container-runtime-endpoint=unix:///mine\n")

    written = rewritten(facts)

    assert written[DEFAULT] == f"KUBELET_EXTRA_ARGS={NEW}\n"
    assert written[kubelet.KUBEADM_ENV] == 'KUBELET_KUBEADM_ARGS=""\n'


# kubespray, roles/kubernetes/node/templates at these tags: kubelet.service.j2, kubelet.env.v1beta1.j2.
KUBESPRAY_UNIT = """[Unit]
Wants=docker.socket

[Service]
EnvironmentFile=-/etc/kubernetes/kubelet.env
ExecStart=/usr/local/bin/kubelet \\
\t\t$KUBE_LOGTOSTDERR \\
\t\t$KUBE_LOG_LEVEL \\
\t\t$KUBELET_HOSTNAME \\
\t\t$KUBELET_ARGS \\
\t\t$DOCKER_SOCKET \\
\t\t$KUBELET_NETWORK_PLUGIN \\
\t\t$KUBELET_CLOUDPROVIDER
Restart=always
"""
KUBESPRAY_ENV = "/etc/kubernetes/kubelet.env"
KUBESPRAY_CONFIG = "/etc/kubernetes/kubelet-config.yaml"
_HEAD = 'KUBE_LOG_LEVEL="--v=2"\nKUBELET_ADDRESS="--node-ip=10.0.0.1"\n\nKUBELET_ARGS="--config=/etc/kubernetes/kubelet-config.yaml \\\n--kubeconfig=/etc/kubernetes/kubelet.conf \\\n'
_TAIL = 'KUBELET_CLOUDPROVIDER=""\n\nPATH=/usr/local/bin:/bin\n'
_CNI = "--network-plugin=cni --cni-conf-dir=/etc/cni/net.d --cni-bin-dir=/opt/cni/bin"
# case: kubelet version, kubelet.env before and after, kubelet-config.yaml before and after
KUBESPRAY = {
    "2.14": (
        "1.18.8",
        f'{_HEAD}{PAUSE} \\\n--runtime-cgroups=/systemd/system.slice \\\n  "\nKUBELET_NETWORK_PLUGIN="{_CNI}"\n{_TAIL}',
        f'{_HEAD}{PAUSE} \\\n--runtime-cgroups=/systemd/system.slice {REMOTE} \\\n  "\n'
        f'KUBELET_NETWORK_PLUGIN=""\n{_TAIL}',
        "maxPods: 110\n",
        None,
    ),
    "2.18": (
        "1.22.8",
        f'{_HEAD}{PAUSE} \\\n--runtime-cgroups=/system.slice/docker.service \\\n  "\nKUBELET_NETWORK_PLUGIN="{_CNI}"\n{_TAIL}',
        f'{_HEAD}{PAUSE} \\\n--runtime-cgroups=/system.slice/containerd.service {REMOTE} \\\n  "\n'
        f'KUBELET_NETWORK_PLUGIN=""\n{_TAIL}',
        "containerLogMaxFiles: 5\n",
        None,
    ),
    "2.21": (
        "1.25.6",
        f'{_HEAD}--container-runtime=remote \\\n{SHIM} \\\n--runtime-cgroups=/system.slice/docker.service \\\n  "\n{_TAIL}',
        f'{_HEAD}--container-runtime=remote \\\n{NEW} \\\n--runtime-cgroups=/system.slice/containerd.service \\\n  "\n{_TAIL}',
        "containerLogMaxFiles: 5\n",
        None,
    ),
    "2.23": (
        "1.27.7",
        f'{_HEAD}--container-runtime=remote \\\n{SHIM} \\\n--runtime-cgroups=/x \\\n  "\n{_TAIL}',
        f'{_HEAD}{NEW} \\\n--runtime-cgroups=/x \\\n  "\n{_TAIL}',
        "containerLogMaxFiles: 5\n",
        None,
    ),
    "2.27": (
        "1.31.4",
        f'{_HEAD}--runtime-cgroups=/system.slice/docker.service \\\n  "\n{_TAIL}',
        f'{_HEAD}--runtime-cgroups=/system.slice/containerd.service \\\n  "\n{_TAIL}',
        "# ours\ncontainerRuntimeEndpoint : unix:///var/run/cri-dockerd.sock\nmaxPods: 110\n",
        f"# ours\ncontainerRuntimeEndpoint : {ENDPOINT}\nmaxPods: 110\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("version", "before", "wanted", "config", "new_config"), KUBESPRAY.values(), ids=KUBESPRAY)
def test_kubesprays_nodes(version: str, before: str, wanted: str, config: str, new_config: str | None) -> None:
    """Kubespray's file of variables is edited where each flag stands, its unit not at all."""
    facts = node(
        version, {ADMIN: KUBESPRAY_UNIT}, {KUBESPRAY_ENV: before}, {KUBESPRAY_CONFIG: config}, installation="kubespray"
    )

    written = rewritten(facts)

    assert written[KUBESPRAY_ENV] == wanted
    assert written.get(KUBESPRAY_CONFIG) == new_config
    assert set(written) <= {KUBESPRAY_ENV, KUBESPRAY_CONFIG}


_OLD_RPM = """[Service]
Environment="KUBELET_NETWORK_ARGS=--network-plugin=cni --cni-bin-dir=/opt/cni/bin"
Environment="KUBELET_SYSTEM_ARGS=--allow-privileged=true"
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_SYSTEM_ARGS $KUBELET_NETWORK_ARGS
"""
_MULTILINE = """[Service]
# why
ExecStart=/usr/bin/kubelet \\
  --kubeconfig=/k \\
  # the network
  --network-plugin=cni \\
  --node-labels='a=b c' \\
  --cni-bin-dir /b
Restart=always
"""
# case: unit files, those written (the drop-in of ours without its comment)
UNITS = {
    "flags in ExecStart of a packaged unit": (
        {PACKAGED: "[Service]\nExecStart=/usr/bin/kubelet --network-plugin=cni \\\n  --v=2 $OTHER\nRestart=always\n"},
        {DROP_IN: f"[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --v=2 $OTHER {REMOTE}\n"},
    ),
    "Environment of a packaged drop-in": (
        {PACKAGED: "[Service]\nExecStart=/usr/bin/kubelet\n", PACKAGED_DROP_IN: _OLD_RPM},
        {DROP_IN: f'[Service]\nEnvironment="KUBELET_NETWORK_ARGS={REMOTE}"\n'},
    ),
    "Environment of the administrator's drop-in": (
        {PACKAGED: "[Service]\nExecStart=/usr/bin/kubelet\n", ADMIN_DROP_IN: _OLD_RPM},
        {ADMIN_DROP_IN: _OLD_RPM.replace("--network-plugin=cni --cni-bin-dir=/opt/cni/bin", REMOTE)},
    ),
    "ExecStart of the administrator's unit, line by line": (
        {ADMIN: _MULTILINE},
        {ADMIN: "[Service]\n# why\nExecStart=/usr/bin/kubelet \\\n  --kubeconfig=/k \\\n  # the network\n"
                f"  --node-labels='a=b c' {REMOTE}\nRestart=always\n"},
    ),
    "a variable in braces is dropped with its word": (
        {ADMIN: "[Service]\nEnvironment=P=cni V=--network-plugin=cni\nExecStart=/k --network-plugin=${P} ${V} --v=2\n"},
        {ADMIN: f"[Service]\nEnvironment=P=cni V=--network-plugin=cni\nExecStart=/k --v=2 {REMOTE}\n"},
    ),
    "both at once": (
        {PACKAGED: '[Service]\nEnvironment="A=--network-plugin=cni --v=2"\nExecStart=/k --docker-tls $A\n'},
        {DROP_IN: f'[Service]\nExecStart=\nExecStart=/k $A\n[Service]\nEnvironment="A=--v=2 {REMOTE}"\n'},
    ),
    "a value that is quoted": (
        {ADMIN: '[Service]\nEnvironment="A=--cni-bin-dir=\\"/a b\\" --v=2"\nExecStart=/k $A\n'},
        {ADMIN: f'[Service]\nEnvironment="A=--v=2"\nExecStart=/k $A {REMOTE}\n'},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("units", "wanted"), UNITS.values(), ids=UNITS)
def test_flags_in_unit_files(units: dict[str, str], wanted: dict[str, str]) -> None:
    """The administrator's files are edited in place; for packaged ones a drop-in of ours has the last word."""
    written = rewritten(node("1.20.2", units))

    assert {path: text.partition("\n")[2] if path == DROP_IN else text for path, text in written.items()} == wanted


def test_a_folder_in_the_place_of_a_file_of_variables_is_none() -> None:
    """Systemd starts the service without it behind a dash, and not at all else."""
    folder = FileFact(path=DEFAULT, exists=True, problem="it is a directory")

    def flags(sign: str) -> tuple[Flag, ...]:
        text = f"[Service]\nEnvironmentFile={sign}{DEFAULT}\nExecStart=/usr/bin/kubelet --v=2 $X\n"
        facts = node("v1.23.1", {ADMIN: text}, {DEFAULT: None})
        return kubelet_flags.flags(facts.model_copy(update={"files": {**facts.files, DEFAULT: folder}}))

    assert [flag.name for flag in flags("-")] == ["--v"]
    with pytest.raises(ValueError, match="which is not there: the service cannot start"):
        flags("")


def test_our_drop_in_is_edited_when_it_is_there() -> None:
    """Going on to another runtime changes our own drop-in, and adds no second one."""
    facts = node("1.22.0", {PACKAGED: "[Service]\nExecStart=/usr/bin/kubelet --network-plugin=cni\n"})
    moved = after(facts, rewritten(facts))

    written = rewritten(moved, endpoint=CRIO)

    assert list(written) == [DROP_IN]
    assert written[DROP_IN] == moved.files[DROP_IN].content.replace(ENDPOINT, CRIO)


def test_our_drop_in_counts_before_systemd_was_told() -> None:
    """A drop-in that was written but not loaded yet is not written a second time."""
    facts = node("1.22.0", {PACKAGED: "[Service]\nExecStart=/usr/bin/kubelet --network-plugin=cni\n"})
    text = rewritten(facts)[DROP_IN]
    written = facts.model_copy(update={"files": {**facts.files, DROP_IN: values.file(DROP_IN, text)}})

    assert kubelet.rewrite(written, usual(written, values.settings()), ENDPOINT) == {}


def test_a_variable_that_the_unit_does_not_read_is_left_alone() -> None:
    """Kubeadm's file may lie there from another time: a flag in it would never reach the kubelet."""
    facts = node(
        "1.28.0", {ADMIN: "[Service]\nExecStart=/k --v=2\n"}, {kubelet.KUBEADM_ENV: 'KUBELET_KUBEADM_ARGS="--v=1"\n'}
    )

    assert rewritten(facts) == {ADMIN: f"[Service]\nExecStart=/k --v=2 {NEW}\n"}


def test_a_variable_that_nothing_sets_is_set() -> None:
    """Kubeadm's file gets kubeadm's variable where the unit reads it and it is not there."""
    facts = node(
        "1.28.0", {ADMIN: "[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"
                   "ExecStart=/k $KUBELET_KUBEADM_ARGS\n"},
        {kubelet.KUBEADM_ENV: "# empty"},
    )  # fmt: skip

    assert rewritten(facts) == {kubelet.KUBEADM_ENV: f'# empty\nKUBELET_KUBEADM_ARGS="{NEW}"\n'}


# case: flags, settings, configuration before; flags and configuration as they must be
LOGS = {
    "in the configuration": (NEW, {"log_max_size": 100_000_000, "log_max_files": 3}, "a: 1\n",
                             NEW, "a: 1\ncontainerLogMaxSize: 100M\ncontainerLogMaxFiles: 3\n"),
    "a size that is not round": (NEW, {"log_max_size": 104_857_600}, "containerLogMaxSize: 10Mi # x\n",
                                 NEW, 'containerLogMaxSize: "104857600" # x\n'),
    "the kubelet takes no fewer than two files": (NEW, {"log_max_files": 1}, "", NEW, "containerLogMaxFiles: 2\n"),
    "a flag beats the file": (f"{NEW} --container-log-max-size=10Mi", {"log_max_size": 100_000_000, "log_max_files": 4}, "",
                              f"{NEW} --container-log-max-size=100M", "containerLogMaxFiles: 4\n"),
    "both flags": (f"{NEW} --container-log-max-files 9 --container-log-max-size=1Mi", {"log_max_size": 5_000_000, "log_max_files": 4},
                   "containerLogMaxSize: 1Mi\n", f"{NEW} --container-log-max-files=4 --container-log-max-size=5M", "containerLogMaxSize: 1Mi\n"),
    "none asked for": (NEW, {}, "containerLogMaxSize: 1Mi\n", NEW, "containerLogMaxSize: 1Mi\n"),
}  # fmt: skip


@pytest.mark.parametrize(("flags", "asked", "config", "new_flags", "new_config"), LOGS.values(), ids=LOGS)
def test_limits_of_logs(flags: str, asked: dict[str, int], config: str, new_flags: str, new_config: str) -> None:
    """The limits that Docker had are said where the kubelet listens (k8s-1.20.2 pkg/kubelet/kubelet.go)."""
    facts = kubeadm("1.28.0", flags, config=config or "# none\n")

    written = rewritten(facts, values.settings(**asked))

    assert (
        written.get(kubelet.KUBEADM_ENV, f'KUBELET_KUBEADM_ARGS="{flags}"\n') == f'KUBELET_KUBEADM_ARGS="{new_flags}"\n'
    )
    assert written.get(CONFIG, config).removeprefix("# none\n") == new_config


def test_without_a_configuration_file_limits_of_logs_are_flags() -> None:
    """A kubelet that has only flags is told by flags."""
    facts = node("1.22.0", {ADMIN: "[Service]\nExecStart=/k --container-runtime=remote\n"})

    written = rewritten(facts, values.settings(log_max_size=100_000_000))

    assert written[ADMIN].endswith(f"{NEW} --container-log-max-size=100M\n")


def test_a_present_field_follows_the_flag() -> None:
    """From 1.27 on a field that the flag hides names the new runtime too: kubeadm may take the flag away."""
    old = "containerRuntimeEndpoint: unix:///var/run/cri-dockerd.sock\n"
    facts = kubeadm("1.32.1", SHIM, config=f"{old}imageServiceEndpoint: unix:///run/cri-dockerd.sock\n", instance=old)

    written = rewritten(facts)

    assert written[kubelet.KUBEADM_ENV] == f'KUBELET_KUBEADM_ARGS="{NEW}"\n'
    assert written[CONFIG] == f"containerRuntimeEndpoint: {ENDPOINT}\nimageServiceEndpoint: {ENDPOINT}\n"
    assert written[kubelet.INSTANCE_CONFIG] == f"containerRuntimeEndpoint: {ENDPOINT}\n"


def test_an_unusual_socket_keeps_cadvisors_flag() -> None:
    """Without the flag cAdvisor would not find containerd at a socket of another name (kubelet --containerd, k3s)."""
    facts = kubeadm("1.30.0", "--containerd=/run/k3s/c.sock --v=2")

    assert "--containerd=/run/k3s/c.sock" in rewritten(facts, endpoint="unix:///run/k3s/c.sock")[kubelet.KUBEADM_ENV]


REFUSED = {
    "through a shell": (node("1.20.2", {ADMIN: '[Service]\nExecStart=/bin/sh -c "kubelet --network-plugin=cni"\n'}), "through a shell"),
    "no unit": (node("1.20.2", {}), "no ExecStart= of kubelet.service"),
    "an unknown version": (node("", {ADMIN: "[Service]\nExecStart=/k\n"}), "of unknown version"),
    "a packaged file of variables": (
        node("1.20.2", {ADMIN: "[Service]\nEnvironmentFile=/usr/lib/k/env\nExecStart=/k $A\n"},
             {"/usr/lib/k/env": "A=--network-plugin=cni\n"}),
        "/usr/lib/k/env sets A and is a packaged file",
    ),
    "a later packaged drop-in": (
        node("1.20.2", {PACKAGED: "[Service]\nExecStart=/k\n",
                        "/usr/lib/systemd/system/kubelet.service.d/zz.conf": "[Service]\nExecStart=\nExecStart=/k --docker-tls\n"}),
        "has the last word",
    ),
    "1.34 without a configuration file": (node("1.34.0", {ADMIN: "[Service]\nExecStart=/k\n"}), "needs containerRuntimeEndpoint"),
    "a file of --config-dir": (
        node("1.34.0", {ADMIN: "[Service]\nExecStart=/k --config=/c.yaml --config-dir=/c.d\n"},
             config={"/c.yaml": "a: 1\n", "/c.d/10.conf": "containerRuntimeEndpoint: unix:///mine\n"}),
        "/c.d/10.conf sets containerRuntimeEndpoint and beats /c.yaml",
    ),
    "a variable that is named twice": (
        node("1.30.0", {ADMIN: "[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"
                        "ExecStart=/k $KUBELET_KUBEADM_ARGS $KUBELET_KUBEADM_ARGS\n"}, {kubelet.KUBEADM_ENV: ""}),
        "more than once",
    ),
    "a broken configuration": (kubeadm("1.34.0", "", config="a: [\n"), f"{CONFIG} is not YAML"),
    "a value that stands for two flags": (
        node("1.20.2", {ADMIN: "[Service]\nEnvironment=S=/b\nExecStart=/k --cni-bin-dir $S --root-dir $S\n"}), "--cni-bin-dir shares a word",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_rewritten_is_refused(facts: NodeFacts, message: str) -> None:
    """Rather than half a rewrite there is one message that says where and what."""
    with pytest.raises(ValueError, match=message):
        kubelet.rewrite(facts, values.settings(), ENDPOINT)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({values.KUBELET_DROP_IN: FileFact(path=values.KUBELET_DROP_IN)}, "was not read"),
        ({DEFAULT: FileFact(path=DEFAULT, exists=True, problem="it is too large")}, f"{DEFAULT}: it is too large"),
    ],
)
def test_a_file_that_was_not_read_is_named(update: dict[str, FileFact], message: str) -> None:
    """Flags are not guessed where a file is missing from the facts."""
    facts = values.facts(files={**values.files(), **update})

    with pytest.raises(ValueError, match=message):
        kubelet_flags.flags(facts)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--a=1", "--a=2"], {"--a": "2"}),
        (["--a", "1", "--b"], {"--a": "1", "--b": ""}),
        (["-v=2"], {"--v": "2"}),
        (["-v2"], {"--v": "2"}),
        (["--a_b=1"], {"--a-b": "1"}),
        (["--a", "-1", "--b"], {"--a": "-1", "--b": ""}),
        (["--a=b=c"], {"--a": "b=c"}),
        (["kubelet", "--a"], {"--a": ""}),
        ([], {}),
    ],
)
def test_a_command_line_is_read_as_the_kubelet_reads_it(arguments: list[str], expected: dict[str, str]) -> None:
    """The last of a flag wins; a value may follow as a word of its own."""
    assert kubelet_flags.effective(kubelet_flags.read(arguments)) == expected


def test_each_flag_names_its_place() -> None:
    """A flag knows file and variable."""
    found = kubelet_flags.flags(values.facts())

    assert found[-3:] == (
        Flag("--network-plugin", "cni", kubelet.KUBEADM_ENV, "KUBELET_KUBEADM_ARGS"),
        Flag("--pod-infra-container-image", values.PAUSE, kubelet.KUBEADM_ENV, "KUBELET_KUBEADM_ARGS"),
        Flag("--cni-bin-dir", "/usr/lib/cni", DEFAULT, "KUBELET_EXTRA_ARGS"),
    )


# case: what runs, what ExecStart says, differences
DIFFERENCES: dict[str, tuple[tuple[str, ...], str, tuple[Difference, ...]]] = {
    "none": (("--a=1", "--b"), "--a=1 --b", ()),
    "another order": (("--b", "--a=1"), "--a=1 --b", ()),
    "edited and not restarted": (("--a=1",), "--a=2", (Difference("--a", ("1",), ("2",), ADMIN),)),
    "added and not restarted": (("--a=1",), "--a=1 --b", (Difference("--b", (), ("",), ADMIN),)),
    "from nowhere": (("--a=1", "--b=2"), "--a=1", (Difference("--b", ("2",), ()),)),
    "a specifier": (("--a=host-1.example",), "--a=%H.example", ()),
    "a specifier does not explain everything": (("--a=x",), "--a=%H.example", (Difference("--a", ("x",), ("%H.example",), ADMIN),)),
    "one of several": (("--a=1", "--a=2"), "--a=1", (Difference("--a", ("1", "2"), ("1",), ADMIN),)),
    "it does not run": ((), "--a=1", ()),
}  # fmt: skip


@pytest.mark.parametrize(("running", "written", "differences"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_unexplained_flags(running: tuple[str, ...], written: str, differences: tuple[Difference, ...]) -> None:
    """What runs and what the files say is compared flag by flag."""
    facts = node("1.20.2", {ADMIN: f"[Service]\nExecStart=/k {written}\n"}, arguments=running)

    assert kubelet_flags.unexplained(facts) == differences


@pytest.mark.parametrize(
    ("arguments", "config", "driver"),
    [
        (("--cgroup-driver=systemd",), "cgroupDriver: cgroupfs\n", "systemd"),
        (("--v=2",), "cgroupDriver: systemd\n", "systemd"),
        (("--v=2",), "{}\n", "cgroupfs"),
        (("--v=2",), "", "cgroupfs"),
        ((), "cgroupDriver: systemd\n", "systemd"),
    ],
    ids=["the flag wins", "the configuration", "its default", "no configuration", "it does not run"],
)
def test_the_kubelets_cgroup_driver(arguments: tuple[str, ...], config: str, driver: str) -> None:
    """The driver is the kubelet's own, from where it really comes."""
    facts = values.facts(kubelet=values.kubelet(arguments=arguments), files=values.files(config=config))

    assert kubelet.cgroup_driver(facts) == driver


def test_the_cgroup_driver_is_never_changed() -> None:
    """Another driver in the settings changes nothing of the kubelet's."""
    written = rewritten(kubeadm("1.34.0", ""), values.settings(cgroup_driver="cgroupfs"))

    assert "cgroupDriver: systemd" in written[CONFIG]
    assert "cgroup" not in written.get(kubelet.KUBEADM_ENV, "")


KEPT = {"1.20.2": True, "1.34.0": True, "1.35.0": False}


@pytest.mark.parametrize("version", KEPT)
def test_another_pause_image_is_kept_from_collection(version: str) -> None:
    """The kubelet spares the image that the flag names, and without the flag only its own default."""
    written = rewritten(kubeadm(version, ""), values.settings(pause_image="corp/pause:9"))

    assert ("--pod-infra-container-image=corp/pause:9" in "".join(written.values())) is KEPT[version]


def test_the_pause_image() -> None:
    """The image is cri-dockerd's where that has one, else the kubelet's flag, else the kubelet's default."""
    shim = CriDockerdFacts(
        version="0.3.4", unit=UnitFacts(name="c", active=True, arguments=("--pod-infra-container-image=shim:1",))
    )

    assert kubelet.pause_image(values.facts(cri_dockerd=shim)) == "shim:1"
    assert kubelet.pause_image(values.facts()) == values.PAUSE
    assert kubelet.pause_image(kubeadm("1.20.2", "")) == "k8s.gcr.io/pause:3.2"


def test_the_configurations_path() -> None:
    """The flag names it; without one it is what was observed."""
    assert kubelet.config_path(values.facts()) == CONFIG
    facts = node("1.20.2", {ADMIN: "[Service]\nExecStart=/k --config /etc/k.yaml\n"})
    assert kubelet.config_path(facts) == "/etc/k.yaml"


UNPROVEN = {
    "nothing said": ("1.28.0", "--v=2", "would ask for its runtime at None, not at unix"),
    "another socket": ("1.28.0", f"--container-runtime-endpoint={CRIO}", f"at {CRIO}, not at {ENDPOINT}"),
    "an old kubelet that is not told": ("1.20.2", NEW, "needs --container-runtime=remote"),
    "a flag that only Docker needed": (
        "1.20.2",
        f"--network-plugin=cni {REMOTE}",
        "--network-plugin would still be on",
    ),
}


@pytest.mark.parametrize(("version", "flags", "message"), UNPROVEN.values(), ids=UNPROVEN)
def test_what_would_not_start_on_the_new_runtime_is_not_written(version: str, flags: str, message: str) -> None:
    """Whatever the rewriting makes of odd files: the result is read again, as systemd and the kubelet would."""
    facts = node(version, {ADMIN: f"[Service]\nExecStart=/k {flags}\n"})
    to = kubelet._Rewrite(facts, values.settings(), versions.parse(version), ENDPOINT, "containerd.service")  # noqa: SLF001

    with pytest.raises(ValueError, match=message):
        to.prove(kubelet_flags.unit(facts), {})
