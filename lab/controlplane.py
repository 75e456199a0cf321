"""The control plane: etcd and Kubernetes' own processes, natively, inside the lab's namespace.

kubeadm's phases make everything that `kubeadm join` needs, so that each file on a node is what
kubeadm really writes.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import kubeadm, kubernetes, network, shell, waiting
from lab.artefacts import say
from lab.settings import GATEWAY, SERVICE_CIDR, Settings

_PROCESSES = {"etcd", "kube-apiserver", "kube-controller", "kube-scheduler"}
"""As the kernel abbreviates them, to 15 characters."""
_PORT = 6443


def create(settings: Settings) -> None:
    """Make certificates and kubeconfigs, start everything, and publish what `kubeadm join` reads."""
    folder = settings.state / "kubernetes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    release, socket = kubernetes.of_cluster(settings), settings.nodes[0].socket
    own = folder / "kubeadm.yaml"
    own.write_text(kubeadm.config(release, folder / "pki", socket))
    # The CA's path on a node follows from this folder, so what is published names kubeadm's usual one.
    published = folder / "published.yaml"
    published.write_text(kubeadm.config(release, Path("/etc/kubernetes/pki"), socket))
    phase: list[str | Path] = [settings.programs / "kubeadm", "init", "phase"]
    _inside(settings, [*phase, "certs", "ca", "--config", own])
    for name in ("apiserver", "apiserver-kubelet-client", "front-proxy-ca", "front-proxy-client"):
        _inside(settings, [*phase, "certs", name, "--config", own])
    # kubeadm's own phase for this key takes no configuration, and without one it wants a default route.
    key, public = folder / "pki/sa.key", folder / "pki/sa.pub"
    shell.run(["openssl", "genrsa", "-out", key, "2048"])
    shell.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public])
    for name in (*kubeadm.admins(release), "controller-manager", "scheduler"):
        _inside(settings, [*phase, "kubeconfig", name, "--config", own, "--kubeconfig-dir", folder])
    start(settings)
    _empower(settings, kubeadm.admins(release))
    with_admin: list[str | Path] = ["--config", published, "--kubeconfig", settings.kubeconfig]
    _inside(settings, [*phase, "upload-config", "kubeadm", *with_admin])
    words = [*phase, "upload-config", "kubelet", *with_admin]
    _publish_kubelet_config(settings, words, kubeadm.kubelet_role(release))
    _inside(settings, [*phase, "bootstrap-token", *with_admin])
    _inside(settings, [*phase, "addon", "kube-proxy", *with_admin])


def _empower(settings: Settings, admins: list[str]) -> None:
    """Give the administrators of admin.conf their rights, where that takes a binding."""
    for name in admins[1:]:
        words: list[str | Path] = [
            "create", "clusterrolebinding", "kubeadm:cluster-admins", "--clusterrole=cluster-admin",
            "--group=kubeadm:cluster-admins", "--kubeconfig", settings.state / "kubernetes" / f"{name}.conf",
        ]  # fmt: skip
        _inside(settings, [settings.programs / "kubectl", *words])


def _publish_kubelet_config(settings: Settings, words: list[str | Path], role_name: str) -> None:
    """Upload the kubelet's ConfigMap and the right to read it.

    kubeadm would then wait for a control-plane Node to annotate, and there is none: it is ended there.
    """
    upload = network.start(settings, words, log=settings.state / "logs" / "kubeadm.log")
    role = ["-n", "kube-system", "get", "rolebinding", role_name]
    try:
        waiting.until(lambda: _answers(settings, role), "kubeadm publishes the kubelet's configuration", seconds=60)
    finally:
        upload.kill()
        upload.wait()


def start(settings: Settings) -> None:
    """Start the four processes in the order they need, and return when the API server is ready."""
    folder, logs = settings.state / "kubernetes", settings.state / "logs"
    pki = folder / "pki"
    network.start(
        settings,
        [settings.tools / "etcd", "--name", "lab", "--data-dir", settings.state / "etcd", "--unsafe-no-fsync",
         "--listen-client-urls", kubeadm.ETCD, "--advertise-client-urls", kubeadm.ETCD,
         "--listen-peer-urls", f"http://{GATEWAY}:2380", "--initial-advertise-peer-urls", f"http://{GATEWAY}:2380",
         "--initial-cluster", f"lab=http://{GATEWAY}:2380", "--logger", "zap"],
        log=logs / "etcd.log",
    )  # fmt: skip
    serve(settings)
    waiting.until(lambda: ready(settings), f"the API server is ready (its log: {logs}/kube-apiserver.log)", seconds=120)
    # Started before the API server is ready, these two exit on missing RBAC.
    network.start(
        settings,
        [settings.programs / "kube-controller-manager", f"--kubeconfig={folder}/controller-manager.conf",
         f"--authentication-kubeconfig={folder}/controller-manager.conf",
         f"--authorization-kubeconfig={folder}/controller-manager.conf", "--bind-address=127.0.0.1",
         f"--client-ca-file={pki}/ca.crt", f"--root-ca-file={pki}/ca.crt",
         f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key",
         f"--service-account-private-key-file={pki}/sa.key", "--use-service-account-credentials=true",
         "--controllers=*,bootstrapsigner,tokencleaner", "--leader-elect=false"],
        log=logs / "kube-controller-manager.log",
    )  # fmt: skip
    network.start(
        settings,
        [settings.programs / "kube-scheduler", f"--kubeconfig={folder}/scheduler.conf", "--bind-address=127.0.0.1",
         "--leader-elect=false"],
        log=logs / "kube-scheduler.log",
    )  # fmt: skip


def serve(settings: Settings, *, port: int = _PORT, plugins: str = "NodeRestriction") -> subprocess.Popen[bytes]:
    """Start an API server with these admission plugins. etcd must run."""
    pki = settings.state / "kubernetes/pki"
    # Only the usual one stands behind the Service kubernetes.
    aside = [] if port == _PORT else ["--endpoint-reconciler-type=none"]
    return network.start(
        settings,
        [settings.programs / "kube-apiserver", f"--etcd-servers={kubeadm.ETCD}", f"--advertise-address={GATEWAY}",
         f"--secure-port={port}", "--allow-privileged=true", "--authorization-mode=Node,RBAC",
         f"--enable-admission-plugins={plugins}", "--enable-bootstrap-token-auth=true",
         f"--service-cluster-ip-range={SERVICE_CIDR}", f"--client-ca-file={pki}/ca.crt",
         f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
         f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
         f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
         "--kubelet-preferred-address-types=InternalIP",
         f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
         "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
         f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
         "--requestheader-allowed-names=front-proxy-client",
         "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
         "--requestheader-extra-headers-prefix=X-Remote-Extra-",
         f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
         f"--proxy-client-key-file={pki}/front-proxy-client.key", *aside],
        log=settings.state / "logs/kube-apiserver.log",
    )  # fmt: skip


def stop(settings: Settings) -> None:
    """End the control plane's processes and no others of the lab."""
    network.end(settings, names=_PROCESSES)


def ready(settings: Settings) -> bool:
    """Ask the API server whether it is ready."""
    return _answers(settings, ["get", "--raw", "/readyz"])


def _answers(settings: Settings, arguments: list[str]) -> bool:
    return waiting.succeeds(kubectl_command(settings, arguments), seconds=10)


def kubectl_command(settings: Settings, arguments: Sequence[str | Path]) -> list[str]:
    """Give the command line of kubectl as the cluster's administrator."""
    return network.inside(settings, [settings.programs / "kubectl", "--kubeconfig", settings.kubeconfig, *arguments])


def kubectl(settings: Settings, arguments: Sequence[str | Path], *, stdin: str | None = None) -> str:
    """Run kubectl as the cluster's administrator and return what it prints."""
    return shell.run(kubectl_command(settings, arguments), stdin=stdin, timeout=120)


def save_etcd(settings: Settings, target: Path) -> None:
    """Write a consistent copy of etcd's data to `target`."""
    target.unlink(missing_ok=True)
    _inside(settings, [settings.tools / "etcdctl", "--endpoints", kubeadm.ETCD, "snapshot", "save", target])


def restore_etcd(settings: Settings, source: Path) -> None:
    """Replace etcd's data by a copy. etcd must not run."""
    shutil.rmtree(settings.state / "etcd", ignore_errors=True)
    shell.run(
        [settings.tools / "etcdctl", "snapshot", "restore", source,
         "--data-dir", settings.state / "etcd", "--name", "lab",
         "--initial-cluster", f"lab=http://{GATEWAY}:2380",
         "--initial-advertise-peer-urls", f"http://{GATEWAY}:2380"],
        env={"ETCDCTL_API": "3", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    say("etcd's data put back")


def _inside(settings: Settings, argv: list[str | Path]) -> str:
    return shell.run(network.inside(settings, ["env", "ETCDCTL_API=3", *argv]), timeout=120)
