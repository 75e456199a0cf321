"""kubelet, kubeadm and kubectl as Debian packages, laid out as the packages that real clusters install."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import shell
from lab.release import Release

_UNIT = """[Unit]
Description=kubelet: the Kubernetes node agent
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_DROP_IN = """# Installed by the kubeadm package.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
_FILES = {
    "kubelet": {"lib/systemd/system/kubelet.service": _UNIT},
    "kubeadm": {"etc/systemd/system/kubelet.service.d/10-kubeadm.conf": _DROP_IN},
    "kubectl": {},
}
_DEPENDS = {
    "kubelet": "iptables, iproute2, mount, util-linux, ebtables, ethtool, conntrack, socat",
    "kubeadm": "kubelet",
    "kubectl": "",
}


def build(release: Release, folder: Path) -> list[Path]:
    """Write one `.deb` for each package into `folder` and return their paths."""
    return [_package(name, release, folder) for name in _FILES]


def _package(name: str, release: Release, folder: Path) -> Path:
    root = folder / f"{name}.root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy2(release.folder / name, root / "usr/bin" / name)
    for path, text in _FILES[name].items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    depends = f"Depends: {_DEPENDS[name]}\n" if _DEPENDS[name] else ""
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {release.number}-00\nArchitecture: amd64\nMaintainer: the lab\n{depends}"
        f"Description: {name} {release.number} as built for the lab\n"
    )
    deb = folder / f"{name}_{release.number}-00_amd64.deb"
    shell.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", root, deb])
    shutil.rmtree(root)
    return deb
