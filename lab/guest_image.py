"""The disk that nodes start from: a Debian with Docker, kubelet, sshd, and nothing of a cluster.

Built natively with mmdebstrap; guests boot its own kernel and initrd directly. There is one for each Debian and
Kubernetes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from lab import keys, kubernetes, kubernetes_packages, registries, shell
from lab.apt import own_options, sources
from lab.artefacts import artefact, digest
from lab.release import Release
from lab.settings import DOCKERSHIM_UNTIL, GATEWAY, SUITE, USER, Node, Settings

DISK = "disk.qcow2"
_SIZE = "8G"
_RECIPE = "3"
"""Raise it when a file below changes what a guest is."""

PACKAGES = (
    "systemd-sysv", "udev", "dbus", "kmod", "procps", "less", "curl", "e2fsprogs",
    "openssh-server", "sudo", "python3", "python3-apt", "ca-certificates",
    "iproute2", "iptables", "iputils-ping",
    "apparmor", "docker.io", "crun", "containernetworking-plugins",
    "ebtables", "ethtool", "conntrack", "socat",
)  # fmt: skip
_KERNEL = ("linux-image-cloud-amd64", "initramfs-tools")
"""For guests, which are of the usual suite: Debian 13's kernel does not boot under every QEMU."""
_DOCKER_CLIENT_APART = ("trixie",)
"""Where docker.io has no `docker`."""

_FILES = {
    # The initrd needs the disk and its filesystem only; a small one unpacks quickly in an emulated guest.
    "etc/modules-load.d/k8s.conf": "overlay\nbr_netfilter\n",
    "etc/sysctl.d/k8s.conf": (
        "net.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\nnet.ipv4.ip_forward = 1\n"
    ),
    "etc/hosts": f"127.0.0.1 localhost\n{GATEWAY} {' '.join(registries.HOSTS)}\n",
    "etc/resolv.conf": f"nameserver {GATEWAY}\n",
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 1\n",
    f"etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    "etc/ssh/sshd_config.d/lab.conf": (
        "UseDNS no\nPasswordAuthentication no\nHostKey /etc/ssh/ssh_host_ed25519_key\nMaxSessions 50\n"
    ),
    # Clones must not share host keys: each guest makes its own at its first boot.
    "etc/systemd/system/ssh.service.d/host-key.conf": (
        "[Service]\nExecStartPre=\n"
        "ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || "
        'ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key\'\n'
        "ExecStartPre=/usr/sbin/sshd -t\n"
    ),
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=200M\n",
    "etc/apt/apt.conf.d/99lab": 'APT::Periodic::Enable "0";\nAcquire::Languages "none";\n',
}
_QUIET = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "dpkg-db-backup.timer",
    "systemd-networkd-wait-online.service", "getty@tty1.service", "logrotate.timer", "e2scrub_reap.service",
)  # fmt: skip


def packages(suite: str) -> tuple[str, ...]:
    """List what is installed on a node of this suite, beside what comes with it."""
    more = (*(_KERNEL if suite == SUITE else ()), *(("docker-cli",) if suite in _DOCKER_CLIENT_APART else ()))
    return (*PACKAGES, *more)


def files(node: Node) -> dict[str, str]:
    """Give the files of a new node by their paths."""
    cni = "--cni-bin-dir=/usr/lib/cni" if node.minor <= DOCKERSHIM_UNTIL else ""
    return {
        **_FILES,
        "etc/default/kubelet": f"KUBELET_EXTRA_ARGS={cni}\n",
        "etc/apt/sources.list": f"deb [trusted=yes] http://{GATEWAY}:8080/{node.suite}/ ./\n",
    }


def guest_image(settings: Settings, node: Node) -> Path:
    """Give the folder with `disk.qcow2` of a node, and `vmlinuz` and `initrd.img` where guests can be of its suite."""
    release = kubernetes.of_node(settings, node)
    authority = keys.authority(settings, keys.LAB).certificate
    public_key = keys.ssh_key(settings)
    inputs = {
        "suite": node.suite,
        "packages": " ".join(packages(node.suite)),
        "files": repr(sorted(files(node).items())),
        "kubernetes": f"{release.name} {digest(release.folder / 'kubelet')}",
        "ssh": public_key,
        "authority": authority.read_text(),
        "size": _SIZE,
        "recipe": _RECIPE,
    }
    return artefact(
        settings.cache, "guest-image", inputs,
        lambda folder: _build(settings, folder, node, release=release, authority=authority, public_key=public_key),
    )  # fmt: skip


def _build(settings: Settings, folder: Path, node: Node, *, release: Release, authority: Path, public_key: str) -> None:
    work = settings.cache / "build" / "guest"
    shutil.rmtree(work, ignore_errors=True)
    root, extra = work / "root", work / "extra"
    _write_files(extra, files(node), authority, public_key)
    debs = kubernetes_packages.build(release, work)
    hook = _hook(work, extra, debs)
    shell.run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages(node.suite))}",
         '--aptopt=APT::Install-Recommends "false"', *(f"--aptopt={line}" for line in own_options()),
         "--dpkgopt=path-exclude=/usr/share/doc/*",
         "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
         f"--essential-hook={work / 'essential'} \"$1\"", f'--customize-hook={hook} "$1"',
         node.suite, root, *sources(node.suite)],
        log=work / "mmdebstrap.log",
    )  # fmt: skip
    for boot in ("vmlinuz", "initrd.img") if node.suite == SUITE else ():
        shutil.copy2((root / boot).resolve() if not (root / boot).is_symlink() else _link(root, boot), folder / boot)
    raw = work / "disk.raw"
    shell.run(["truncate", "-s", _SIZE, raw])
    shell.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", root, raw])
    shell.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, folder / DISK])
    shutil.rmtree(work)


def _link(root: Path, name: str) -> Path:
    return root / (root / name).readlink()


def _write_files(extra: Path, texts: Mapping[str, str], authority: Path, public_key: str) -> None:
    for path, text in texts.items():
        target = extra / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (extra / f"etc/sudoers.d/{USER}").chmod(0o440)
    trusted = extra / "usr/local/share/ca-certificates/lab-registry.crt"
    trusted.parent.mkdir(parents=True)
    shutil.copy2(authority, trusted)
    (extra / "authorized_keys").write_text(public_key + "\n")


def _hook(work: Path, extra: Path, debs: list[Path]) -> Path:
    """Write the two scripts that mmdebstrap runs with the new root as `$1`; return the later one."""
    essential = work / "essential"
    essential.write_text(
        "#!/bin/sh\nset -e\n"
        'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"\n'
        'echo MODULES=list > "$1/etc/initramfs-tools/conf.d/lab"\n'
        'printf "%s\\n" virtio_pci virtio_blk ext4 crc32c_generic > "$1/usr/share/initramfs-tools/modules.d/lab"\n'
    )
    customize = work / "customize"
    packages = " ".join(f"/tmp/{deb.name}" for deb in debs)
    copies = "\n".join(f'cp {deb} "$1/tmp/"' for deb in debs)
    customize.write_text(
        "#!/bin/sh\nset -e\n"
        f"{copies}\n"
        f'chroot "$1" dpkg -i {packages}\nrm {" ".join(f"$1/tmp/{deb.name}" for deb in debs)}\n'
        f'cp -r --no-preserve=ownership {extra}/etc {extra}/usr "$1/"\n'
        f'chmod 0440 "$1/etc/sudoers.d/{USER}"\n'
        f"for user in {USER} nosudo; do\n"
        '  chroot "$1" useradd -m -s /bin/bash "$user"\n'
        '  install -d -m 0700 "$1/home/$user/.ssh"\n'
        f'  install -m 0600 {extra}/authorized_keys "$1/home/$user/.ssh/authorized_keys"\n'
        '  chroot "$1" chown -R "$user:$user" "/home/$user/.ssh"\n'
        "done\n"
        'chroot "$1" update-ca-certificates\n'
        f'chroot "$1" systemctl mask {" ".join(_QUIET)}\n'
        'chroot "$1" systemctl enable systemd-networkd.service systemd-network-generator.service\n'
        'chroot "$1" systemctl disable kubelet.service || true\n'
        'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/hostname" "$1/var/lib/dbus/machine-id"\n'
        ': > "$1/etc/machine-id"\n'
        'mkdir -p "$1/etc/kubernetes/manifests" "$1/etc/cni/net.d" "$1/var/log/journal"\n'
    )
    for script in (essential, customize):
        script.chmod(0o755)
    return customize
