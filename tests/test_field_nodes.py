"""Nodes as people in the field have them: what the plan refuses of each, what it names, and what it would write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from migrator.engine.migration import STEPS
from migrator.model.facts import CniFacts, DockerContainer, DockerUnits
from migrator.model.fate import Fate
from migrator.model.plan import MigrationPlan, Severity
from migrator.planning import plan
from migrator.planning.inputs import NodeInputs
from tests.fakes import values
from tests.fakes.values import PAUSE, facts, pod, situation

CONFIG = "/etc/containerd/config.toml"
DAEMON = "/etc/docker/daemon.json"
DEFAULT = "/etc/default/kubelet"
FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
OWN = "/etc/systemd/system/kubelet.service.d/zz-migrator.conf"
SYSCTL = "/etc/sysctl.d/zz-migrator.conf"
CERTS = "/etc/containerd/certs.d"
ENDPOINT = "--container-runtime-endpoint=unix:///run/containerd/containerd.sock"
CRI = '[plugins."io.containerd.grpc.v1.cri"'


@dataclass(frozen=True)
class Field:
    """A node, and what has to come of it."""

    source: str
    """Who had it, or what says how it has to be."""
    now: NodeInputs
    blocked: tuple[str, ...] = ()
    """Ids of all findings that block."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Words of findings that there must be, by id."""
    writes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What stands in the files that would be written."""
    spares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What stands in none of them, or what is not written at all: ()."""
    fates: Mapping[str, Fate] = field(default_factory=dict)
    """Of settings of Docker's."""


def on(more: Mapping[str, str] | None = None, **update: object) -> NodeInputs:
    """Give a node with other facts, and files by path; "" for one that is not there."""
    given = values.files() | {path: values.file(path, text) for path, text in (more or {}).items()}
    files = {path: fact for path, fact in given.items() if fact.content}
    return situation(facts=facts(files=files, **update))


def told(daemon: Mapping[str, Any], more: Mapping[str, str] | None = None, **docker: object) -> NodeInputs:
    """Give a node whose Docker was told this by its file."""
    return on({DAEMON: json.dumps(daemon), **(more or {})}, docker=values.docker(**docker))


def kubelet(more: Mapping[str, str], words: str, **update: object) -> NodeInputs:
    """Give a node whose kubelet has these files and this command line."""
    return on(more, kubelet=values.kubelet(arguments=tuple(words.split()), **update))


def containerd(config: str, **update: object) -> NodeInputs:
    """Give a node whose containerd has this configuration."""
    return on({CONFIG: config}, containerd=values.containerd(effective=config, **update))


TRIPLE = f"""# arguments
KUBELET_ARGS=\"\"\"
  --config=/var/lib/kubelet/config.yaml
  --network-plugin=cni
  --container-runtime=docker
  --kubeconfig=/etc/kubernetes/kubelet.conf
  --pod-infra-container-image={PAUSE}
  --v=2
\"\"\"
"""
NVIDIA = f"""version = 2
{CRI}.containerd]
default_runtime_name = "nvidia"
{CRI}.containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
{CRI}.containerd.runtimes.nvidia.options]
BinaryName = "/usr/bin/nvidia-container-runtime"
"""
DOTTED = """version = 2
plugins."io.containerd.grpc.v1.cri".sandbox_image = "k8s.gcr.io/pause:3.2"
plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options.SystemdCgroup = false
"""
INLINE = """version = 2
[plugins.'io.containerd.grpc.v1.cri']
  containerd = { runtimes = { runc = { runtime_type = "io.containerd.runc.v2", options = { SystemdCgroup = false } } } }
  registry = { mirrors = { "docker.io" = { endpoint = ["https://mirror.example"] } } }
"""
PACKAGED = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
OVERRIDE = "/etc/systemd/system/kubelet.service.d/override.conf"
WRAPPER = """[Service]
Environment="KUBELET_NETWORK_ARGS=--network-plugin=cni"
ExecStart=
ExecStartPre=-/bin/docker rm kubelet
ExecStart=systemd-inhibit --what=shutdown /opt/kubernetes/bin/kubelet-wrapper --config=/var/lib/kubelet/config.yaml $KUBELET_NETWORK_ARGS
ExecStop=/bin/bash -c "docker stop kubelet"
"""
CLOUD = "/etc/systemd/system/kubelet.service.d/20-cloud.conf"
KUBEADM = "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
KEPT = f"{CERTS}/reg.example:5000/hosts.toml"
UNDERSCORED = f"{CERTS}/reg.example_5000_/hosts.toml"
INSECURE = {"insecure-registries": ["reg.example:5000"]}
IMPORTED = "/etc/containerd/conf.d/99-nvidia.toml"
IMPORTING = values.DEBIAN_CONTAINERD.replace("\n", '\nimports = ["/etc/containerd/conf.d/*.toml"]\n', 1)
HANDLER_ALONE = f"""version = 2
{CRI}.containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
{CRI}.containerd.runtimes.nvidia.options]
BinaryName = "/usr/bin/nvidia-container-runtime"
"""
DOCKERSHIM = "--container-runtime-endpoint=unix:///var/run/dockershim.sock --image-service-endpoint=unix:///var/run/dockershim.sock"
FLANNEL = CniFacts(
    config="10-flannel.conflist",
    configs=("10-flannel.conflist",),
    plugins=("flannel", "portmap"),
    folders={"/usr/lib/cni": ("bridge", "flannel", "host-local", "loopback", "portmap")},
)
FIELD = {
    "a key that an old Docker knew": Field(
        "ansible-role-docker-ce#105",
        told({"disable-legacy-registry": True}, version="18.09.9"),
        fates={"disable-legacy-registry": Fate.NOT_APPLICABLE},
    ),
    "Docker of CentOS 7": Field(
        "CentOS 7, /etc/sysconfig/docker",
        on(docker=values.docker(version="1.13.1", arguments=("--selinux-enabled=false", "--signature-verification=false", "--log-driver", "json-file", "--exec-opt", "native.cgroupdriver=systemd"))),
        fates={"signature-verification": Fate.NOT_APPLICABLE},
    ),
    "forwarding that Docker was told to leave alone": Field(
        "dockerd(8), --ip-forward",
        told({"ip-forward": False}),
        writes={SYSCTL: ("net.bridge.bridge-nf-call-iptables = 1",)},
        spares={SYSCTL: ("ip_forward",)},
        fates={"ip-forward": Fate.NOT_APPLICABLE},
    ),
    "the same, said on the command line, beside forwarding of somebody else's": Field(
        "dockerd(8), --ip-forward",
        on(
            docker=values.docker(arguments=("-H", "fd://", "--ip-forward=false")),
            host=values.changed(facts().host, {"sysctls": {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}}),
        ),
        writes={SYSCTL: ("net.bridge.bridge-nf-call-iptables = 1",)},
        spares={SYSCTL: ("forward",)},
    ),
    "a kubelet that its unit runs in Docker": Field(
        "hyperkube by docker run; the host has no kubelet",
        on(
            {values.KUBELET_DROP_IN: "", FLAGS: "", DEFAULT: "", values.KUBELET_UNIT: "[Service]\nExecStart=/usr/bin/docker run --net=host hyperkube kubelet\n"},
            kubelet=values.kubelet(version="", program="/usr/bin/docker", environment_files=(), fragments=(values.KUBELET_UNIT,), arguments=("run", "--net=host", "hyperkube", "kubelet")),
        ),
        blocked=("kubelet-elsewhere", "kubelet-needs-docker"),
        told={"kubelet-elsewhere": "kubelet.service runs its kubelet in a container, by /usr/bin/docker"},
    ),
    "a kubelet of a snap": Field(
        "Charmed Kubernetes",
        on(kubelet=values.kubelet(active=False, arguments=(), fragments=(), environment_files=())),
        blocked=("kubelet-elsewhere",),
    ),
    "a kubelet in a container of its own": Field(
        "Mirantis Kubernetes Engine",
        on(
            kubelet=values.kubelet(version="", active=False, arguments=(), fragments=(), environment_files=()),
            docker=values.docker(containers=(DockerContainer(id="u", name="ucp-kubelet", image="mirantis/ucp-hyperkube:3.4.15", running=True),)),
        ),
        blocked=("kubelet-elsewhere",),
        told={"kubelet-elsewhere": "ucp-kubelet (mirantis/ucp-hyperkube:3.4.15)"},
    ),
    "a kubelet that a wrapper starts in Docker": Field(
        "getamis/terraform-ignition-kubernetes",
        on(
            {values.KUBELET_DROP_IN: WRAPPER, FLAGS: "", DEFAULT: ""},
            kubelet=values.kubelet(installation="other", program="/usr/bin/systemd-inhibit", environment_files=(), arguments=("--what=shutdown", "/opt/kubernetes/bin/kubelet-wrapper", "--config=/var/lib/kubelet/config.yaml", "--network-plugin=cni")),
            docker=values.docker(containers=(DockerContainer(id="k", name="kubelet", image="quay.io/coreos/hyperkube:v1.19.16", running=True),)),
        ),
        blocked=("kubelet-elsewhere",),
        told={"kubelet-needs-docker": "ExecStop="},
    ),
    "an API by a socket of the user's": Field(
        "flatcar.org, Customizing Docker",
        on(docker_units=DockerUnits(starters={"docker.socket": ("/run/docker.sock",), "docker-tcp.socket": ("[::]:2375",)})),
        told={"docker-remote-api": "docker-tcp.socket", "docker-units": "starts Docker when somebody connects"},
    ),
    "a value over many lines": Field(
        "systemd.exec(5), EnvironmentFile=",
        kubelet(
            {values.KUBELET_UNIT: "[Service]\nEnvironmentFile=-/etc/kubernetes/kubelet.conf.env\nExecStart=/usr/bin/kubelet $KUBELET_ARGS\n", "/etc/kubernetes/kubelet.conf.env": TRIPLE, FLAGS: "", DEFAULT: "", values.KUBELET_DROP_IN: ""},
            f"--config=/var/lib/kubelet/config.yaml --network-plugin=cni --container-runtime=docker --kubeconfig=/etc/kubernetes/kubelet.conf --pod-infra-container-image={PAUSE} --v=2",
            installation="other", fragments=(values.KUBELET_UNIT,), environment_files=("/etc/kubernetes/kubelet.conf.env",),
        ),
        writes={"/etc/kubernetes/kubelet.conf.env": ("  --container-runtime=remote\n", f"--v=2 {ENDPOINT}\n")},
        spares={"/etc/kubernetes/kubelet.conf.env": ("--network-plugin",)},
    ),
    "an empty variable that beats a drop-in": Field(
        "cluster-api-provider-vsphere#68",
        kubelet(
            {DEFAULT: "KUBELET_EXTRA_ARGS=\n", CLOUD: '[Service]\nEnvironment="KUBELET_EXTRA_ARGS=--cloud-provider=vsphere --cni-bin-dir=/opt/cni/bin"\n'},
            f"{KUBEADM} --config=/var/lib/kubelet/config.yaml --network-plugin=cni --pod-infra-container-image={PAUSE}",
            fragments=(values.KUBELET_UNIT, values.KUBELET_DROP_IN, CLOUD),
        ),
        writes={FLAGS: (ENDPOINT,)},
        spares={CLOUD: (), DEFAULT: ()},
    ),
    "flannel without cniVersion": Field(
        "kubo-release#372",
        on({"/etc/cni/net.d/10-flannel.conflist": '{"name": "flannel-network", "plugins": [{"type": "flannel"}, {"type": "portmap"}]}\n'}, cni=FLANNEL),
    ),
    "a handler of NVIDIA's alone": Field(
        "nvidia-docker#1788",
        on(
            {CONFIG: NVIDIA, DAEMON: json.dumps({"default-runtime": "nvidia", "runtimes": {"nvidia": {"path": "/usr/bin/nvidia-container-runtime", "runtimeArgs": []}}})},
            docker=values.docker(default_runtime="nvidia", runtimes={"runc": "runc", "nvidia": "/usr/bin/nvidia-container-runtime"}),
            containerd=values.containerd(effective=NVIDIA),
            low_level={"/usr/sbin/runc": "1.1.5", "/usr/bin/nvidia-container-runtime": "1.13.5"},
        ),
        writes={CONFIG: ("runtimes.runc.options]", "runtimes.nvidia.options]", "SystemdCgroup = true")},
        told={"gpu-runtime": "nvidia"},
    ),
    "a handler of NVIDIA's alone, containerd 2": Field(
        "nvidia-docker#1788",
        containerd(NVIDIA, version="2.0.4"),
        blocked=("cri-version",),
    ),
    "passwords of registries": Field(
        "containerd#11624",
        containerd(f'version = 2\n{CRI}.registry.configs."reg.example".auth]\nusername = "u"\npassword = "p"\n', version="1.7.12"),
        blocked=("containerd-credentials",),
        told={"containerd-credentials": "registry credentials"},
    ),
    "a configuration that imports itself": Field(
        "claudie#1786",
        containerd(f'imports = ["{CONFIG}"]\n{values.DEBIAN_CONTAINERD}'),
        writes={CONFIG: (f'imports = ["{CONFIG}"]', "SystemdCgroup = true")},
    ),
    "line ends of Windows, and a packaged drop-in": Field(
        "kubeadm 1.10, its packaged drop-in",
        kubelet(
            {
                values.KUBELET_DROP_IN: "", DEFAULT: "# set by ops\r\nKUBELET_EXTRA_ARGS=--node-ip=10.77.0.11 --image-pull-progress-deadline=30m\r\n",
                PACKAGED: values.DROP_IN_TEXT.replace('Environment="KUBELET_CONFIG', 'Environment="KUBELET_NETWORK_ARGS=--network-plugin=cni --cni-bin-dir=/usr/lib/cni"\nEnvironment="KUBELET_CONFIG'),
                OVERRIDE: "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --root-dir=/data/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_NETWORK_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n",
            },
            f"--root-dir=/data/kubelet {KUBEADM} --network-plugin=cni --cni-bin-dir=/usr/lib/cni --config=/var/lib/kubelet/config.yaml --network-plugin=cni --pod-infra-container-image={PAUSE} --node-ip=10.77.0.11 --image-pull-progress-deadline=30m",
            fragments=(values.KUBELET_UNIT, PACKAGED, OVERRIDE),
        ),
        writes={OWN: ('Environment="KUBELET_NETWORK_ARGS="',), DEFAULT: ("# set by ops\r\nKUBELET_EXTRA_ARGS=--node-ip=10.77.0.11\r\n",)},
        spares={PACKAGED: (), OVERRIDE: ()},
    ),
    "dotted keys": Field(
        "toml.io 1.0, Keys",
        containerd(DOTTED, version="1.7.12"),
        writes={CONFIG: ("# Written anew by migrator", "SystemdCgroup = true", 'sandbox_image = "')},
    ),
    "inline tables": Field(
        "toml.io 1.0, Inline Table",
        containerd(INLINE, version="1.7.12"),
        writes={CONFIG: ("SystemdCgroup = true", f'config_path = "{CERTS}"'), f"{CERTS}/docker.io/hosts.toml": ('[host."https://mirror.example"]',)},
    ),
    "a kept hosts.toml with a server alone": Field(
        "containerd#13212", told(INSECURE, {KEPT: 'server = "http://reg.example:5000"\n'}, insecure={"reg.example:5000": "http"}),
        blocked=("registries-kept",), spares={KEPT: ()},
    ),
    "a kept hosts.toml that says HTTPS": Field(
        "containerd#4938", told(INSECURE, {KEPT: 'server = "https://reg.example:5000"\n[host."https://reg.example:5000"]\n'}, insecure={"reg.example:5000": "http"}),
        blocked=("registries-kept",), spares={KEPT: ()},
    ),
    "a folder with underscores, which is looked into first": Field(
        "containerd#11393; docs/hosts.md, Port Handling",
        told(INSECURE, {UNDERSCORED: 'server = "https://reg.example:5000"\n[host."https://reg.example:5000"]\n  ca = "/etc/ssl/reg.crt"\n'}, insecure={"reg.example:5000": "http"}),
        blocked=("registries-kept",), told={"registries-kept": f"{UNDERSCORED} does not name http://reg.example:5000"}, spares={KEPT: (), UNDERSCORED: ()},
    ),
    "a drop-in with a handler alone, containerd 1.7": Field(
        "containerd#5837; gpu-operator#301",
        on({CONFIG: IMPORTING, IMPORTED: HANDLER_ALONE}, containerd=values.containerd(version="1.7.12")),
        blocked=("containerd-imports",), told={"containerd-imports": f"{IMPORTED} is imported and replaces io.containerd.grpc.v1.cri as a whole"}, spares={IMPORTED: ()},
    ),
    "a drop-in with a handler alone, containerd 2": Field(
        "containerd#5837; containerd 2.x, mergeConfig",
        on({CONFIG: IMPORTING, IMPORTED: HANDLER_ALONE}, containerd=values.containerd(version="2.0.4")),
        blocked=("cri-version",),
    ),
    "endpoints of dockershim, said in full": Field(
        "kubelet 1.20, --container-runtime-endpoint, --image-service-endpoint",
        kubelet(
            {DEFAULT: f"KUBELET_EXTRA_ARGS=--node-ip=10.77.0.11 {DOCKERSHIM}\n"},
            f"{KUBEADM} --config=/var/lib/kubelet/config.yaml --network-plugin=cni --pod-infra-container-image={PAUSE} --node-ip=10.77.0.11 {DOCKERSHIM}",
        ),
        writes={DEFAULT: (f"--node-ip=10.77.0.11 --container-runtime=remote {ENDPOINT}\n",)},
        spares={DEFAULT: ("dockershim", "--image-service-endpoint"), FLAGS: ("dockershim", "--network-plugin", "--image-service-endpoint")},
    ),
    "Harbor by its address": Field(
        "containerd#3847", told({"insecure-registries": ["172.17.1.201"]}, insecure={"172.17.1.201": "http"}),
        writes={f"{CERTS}/172.17.1.201/hosts.toml": ('server = "http://172.17.1.201"', '[host."http://172.17.1.201"]'), CONFIG: (f'config_path = "{CERTS}"',)},
    ),
    "a network of registries": Field(
        "minikube#15597",
        told({"insecure-registries": ["10.10.0.0/16"]}, images=(values.image(PAUSE), values.image("hub.example.com/web:1"))),
        blocked=("docker-settings-lost",),
        told={"docker-settings-lost": "name those of hub.example.com, registry.example that are inside this network"},
    ),
    "RKE": Field("rancher/rke", on(kubelet=values.kubelet(installation="rke")), blocked=("installation",), told={"installation": "rke set this node up"}),
    "host ports without portmap": Field(
        "containernetworking/plugins, portmap",
        replace(on(cni=values.changed(FLANNEL, {"config": "10-flannel.conf", "plugins": ("flannel",)})), pods=(pod("web", host_ports=(80,)),)),
        blocked=("host-ports",), told={"host-ports": "10-flannel.conf has no portmap"},
    ),
    "addresses of IPv6": Field(
        "docker.com, dockerd",
        told({"insecure-registries": ["[fd00:10::5]:5000"], "registry-mirrors": ["https://[fd00:10::6]:5443/"]}, insecure={"[fd00:10::5]:5000": "http"}),
        writes={f"{CERTS}/[fd00:10::5]:5000/hosts.toml": ('server = "http://[fd00:10::5]:5000"',), f"{CERTS}/docker.io/hosts.toml": ('[host."https://[fd00:10::6]:5443"]',)},
    ),
    "a mirror with a path": Field(
        "moby#47144", told({"registry-mirrors": ["https://harbor.example.net/docker_hub/"]}),
        writes={f"{CERTS}/docker.io/hosts.toml": ('[host."https://harbor.example.net/docker_hub"]',)},
    ),
    "quotas, labels and a list of registries": Field(
        "nvidia-docker#1651",
        told({"storage-driver": "overlay2", "storage-opts": ["overlay2.override_kernel_check=true", "overlay2.size=20G"], "log-opts": {"max-size": "500m", "max-file": "3", "labels": "team"}}),
        blocked=("docker-settings-lost",),
        fates={"storage-opts.overlay2.override_kernel_check": Fate.NOT_APPLICABLE, "storage-opts.overlay2.size": Fate.LOST, "log-opts.max-size": Fate.MOVED, "log-opts.labels": Fate.LOST},
    ),
    "words of the command line": Field(
        "amazon-eks-ami, files/docker",
        on(docker=values.docker(arguments=("-H", "fd://", "--no-new-privileges", "--default-ulimit=nofile=32768:65536"))),
        blocked=("docker-settings-lost",), fates={"no-new-privileges": Fate.LOST, "default-ulimits.nofile": Fate.MOVED},
    ),
    "a byte order mark": Field("moby 20.10, config.go", on({DAEMON: "\ufeff" + '{"log-driver": "json-file"}'})),
    "comments": Field("json.org", on({DAEMON: '{\n  // mirrors\n  "debug": true\n}'}), blocked=("unreadable-file",), told={"unreadable-file": f"{DAEMON}, line 2"}),
    "a number for a string": Field("moby daemon/logger", told({"log-opts": {"max-size": "10m", "max-file": 3}}), blocked=("unreadable-file",), told={"unreadable-file": "log-opts.max-file must be a string"}),
    "a registry with a path": Field("moby registry/config.go", told({"insecure-registries": ["harbor.example.com/library"]}), blocked=("unreadable-file",), told={"unreadable-file": "harbor.example.com/library"}),
    "a star for a registry": Field("moby registry/config.go", told({"insecure-registries": ["*.example.com"]}), blocked=("unreadable-file",), told={"unreadable-file": "*.example.com"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def plans() -> dict[str, MigrationPlan]:
    """Plan each node once."""
    return {name: plan.make(entry.now, STEPS) for name, entry in FIELD.items()}


@pytest.mark.parametrize("name", FIELD)
def test_a_node_of_the_field_has_the_right_plan(name: str, plans: Mapping[str, MigrationPlan]) -> None:
    """What blocks it, what is told, what is written and what is not."""
    entry, made = FIELD[name], plans[name]
    found = {finding.id: finding for finding in made.findings}
    written = {change.path: change.content for change in made.files}
    fates = {fate.key: fate.fate for fate in made.fates}

    assert {finding.id for finding in made.findings if finding.severity is Severity.BLOCKS} == set(entry.blocked)
    for check, words in entry.told.items():
        assert words in found[check].evidence
    for path, texts in entry.writes.items():
        assert all(text in written[path] for text in texts), written[path]
    for path, texts in entry.spares.items():
        assert (path not in written) if not texts else not any(text in written.get(path, "") for text in texts)
    assert entry.fates.items() <= fates.items()
