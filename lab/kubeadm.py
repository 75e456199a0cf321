"""What kubeadm is told, in the words of its version."""

from __future__ import annotations

from pathlib import Path

from lab import images
from lab.release import Release
from lab.settings import API_SERVER, GATEWAY, POD_CIDR, SERVICE_CIDR, Node

TOKEN = "lab000.0123456789abcdef"  # noqa: S105 - opens nothing but this lab
CGROUP_DRIVER = "systemd"
"""What the cluster tells every kubelet that joins."""
ETCD = f"http://{GATEWAY}:2379"

_APIS = (((1, 31), "v1beta4"), ((1, 22), "v1beta3"), ((1, 0), "v1beta2"))
"""Since which version its configuration is written how (kubernetes.io, kubeadm's configuration APIs)."""
_ONE_CONFIG_MAP = (1, 24)
"""Since when the kubelet's ConfigMap carries no version in its name (kubeadm's UnversionedKubeletConfigMap)."""
_ADMIN_BY_GROUP = (1, 29)
"""Since when admin.conf's rights come from a binding that has to be made first, by super-admin.conf."""
_FAILS_ON_V1 = (1, 31)
"""Since when a kubelet may be told whether to serve on cgroup v1 (KubeletConfiguration, failCgroupV1)."""
_IGNORED = "Swap,SystemVerification,Mem,NumCPU"


def config(release: Release, certificates: Path, socket: str) -> str:
    """Write its configuration; `certificates` is also what joined kubelets are told."""
    api = next(name for since, name in _APIS if release.minor >= since)
    on_v1 = "failCgroupV1: false\n" if release.minor >= _FAILS_ON_V1 else ""
    return f"""apiVersion: kubeadm.k8s.io/{api}
kind: InitConfiguration
bootstrapTokens:
- token: {TOKEN}
  ttl: 0s
localAPIEndpoint: {{advertiseAddress: {GATEWAY}, bindPort: 6443}}
nodeRegistration: {{name: control-plane, criSocket: {socket}}}
---
apiVersion: kubeadm.k8s.io/{api}
kind: ClusterConfiguration
kubernetesVersion: {release.name}
clusterName: lab
certificatesDir: {certificates}
imageRepository: {images.REPOSITORY}
controlPlaneEndpoint: {GATEWAY}:6443
networking: {{podSubnet: {POD_CIDR}, serviceSubnet: {SERVICE_CIDR}, dnsDomain: cluster.local}}
apiServer: {{certSANs: [{GATEWAY}, control-plane.lab]}}
etcd: {{external: {{endpoints: ["{ETCD}"]}}}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: {CGROUP_DRIVER}
failSwapOn: false
{on_v1}# Emulated guests are slow; at the usual minute a deleted pod lingers for most of one.
syncFrequency: 10s
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
# The limits of a machine's connection table are not a container's to set.
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
"""


def kubelet_role(release: Release) -> str:
    """Name the role by which a joining node reads the kubelet's configuration."""
    one = release.minor >= _ONE_CONFIG_MAP
    return "kubeadm:kubelet-config" if one else "kubeadm:kubelet-config-{}.{}".format(*release.minor)


def admins(release: Release) -> list[str]:
    """Name the kubeconfigs of administrators that it writes; the last one can give the others their rights."""
    return ["admin", "super-admin"] if release.minor >= _ADMIN_BY_GROUP else ["admin"]


def join_command(node: Node) -> list[str]:
    """Give what makes a machine that node."""
    return [
        "kubeadm", "join", API_SERVER.removeprefix("https://"), "--token", TOKEN,
        "--discovery-token-unsafe-skip-ca-verification", f"--ignore-preflight-errors={_IGNORED}",
        "--cri-socket", node.socket,
    ]  # fmt: skip
