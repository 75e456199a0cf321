"""The files that a migration may read or write.

Runs on the node: Python 3.6 or later, standard library only.
"""

import glob

from ansible.module_utils.migrator_inode import folder_obstacle, mount_points, obstacle
from ansible.module_utils.migrator_inspect_toml import strings
from ansible.module_utils.migrator_inspect_tree import file_fact

ALWAYS = (
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/instance-config.yaml",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/kubernetes/kubelet.env",
    "/etc/kubernetes/kubelet-config.yaml",
    "/etc/systemd/system/kubelet.service.d/zz-migrator.conf",
    "/etc/docker/daemon.json",
    "/etc/default/docker",
    "/etc/sysconfig/docker",
    "/etc/containerd/config.toml",
    "/etc/containerd/migrator-spec.json",
    "/etc/systemd/system/containerd.service.d/zz-migrator.conf",
    "/etc/crio/crio.conf",
    "/etc/default/crio",
    "/etc/sysconfig/crio",
    "/etc/systemd/system/crio.service.d/zz-migrator.conf",
    "/etc/containers/registries.conf",
    "/root/.config/containers/registries.conf",
    "/etc/containers/policy.json",
    "/etc/containers/storage.conf",
    "/etc/crio/policy.json",
    "/etc/crictl.yaml",
    "/etc/modules-load.d/migrator.conf",
    "/etc/sysctl.d/zz-migrator.conf",
)
PATTERNS = (
    "/etc/containerd/conf.d/*.toml",
    "/etc/crio/crio.conf.d/*",
    "/etc/crio/crio.conf.d/.*",
    "/etc/crio/crio.conf.d/*/*",
    "/etc/containers/registries.conf.d/*",
    "/etc/containers/registries.conf.d/.*.conf",
    "/root/.config/containers/registries.conf.d/*.conf",
    "/root/.config/containers/registries.conf.d/.*.conf",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*.conf",
    "/run/sysctl.d/*.conf",
    "/usr/local/lib/sysctl.d/*.conf",
    "/usr/lib/sysctl.d/*.conf",
    "/lib/sysctl.d/*.conf",
    "/etc/modprobe.d/*.conf",
    "/run/modprobe.d/*.conf",
    "/usr/local/lib/modprobe.d/*.conf",
    "/usr/lib/modprobe.d/*.conf",
    "/lib/modprobe.d/*.conf",
)
CERTS = "/etc/containerd/certs.d"
PACKAGES = "/usr"
"""Where packages have their programs: a system that is updated as a whole has it read-only (ostree, MicroOS)."""
FOLDERS = (CERTS, "/etc/containerd/conf.d", "/etc/systemd/system", "/var/lib/migrator/transactions")
"""Where a migration writes files whose names are not known before, its own among them."""


def hosts_files(tree, configurations):
    """Give the paths of every hosts.toml: `config_path` may name several folders, with colons between them."""
    folders = [CERTS]
    for text in configurations:
        for value in strings(text, "config_path"):
            folders += [folder.rstrip("/") for folder in value.split(":") if folder.startswith("/")]
    found = []
    for folder in sorted(set(folders)):
        found += tree.glob(glob.escape(folder) + "/*/hosts.toml")
    return found


def specifications(configurations):
    """Give the paths of the runtime specifications that containerd's configuration names."""
    return [path for text in configurations for path in strings(text, "base_runtime_spec") if path.startswith("/")]


def files(tree, more, flags=None):
    """Describe every file, each once, by path: those of every host, and those that were found on this one.

    `more` are the kinds that each of the latter is read as, by path; `flags` are those of `secrets.referred`.
    """
    paths = list(ALWAYS)
    for pattern in PATTERNS:
        paths += tree.glob(pattern)
    paths = sorted(path for path in set(paths) | set(more) if path.startswith("/"))
    return {path: file_fact(tree, path, more.get(path, ()), flags) for path in paths}


def unwritable(tree, paths):
    """Say what keeps these files, and those in the folders, from being replaced and put back; nothing is tried."""
    mounts = mount_points()
    found = {path: obstacle(tree.at(path), mounts) for path in paths}
    found.update({path: folder_obstacle(tree.at(path)) for path in (*FOLDERS, PACKAGES)})
    return {path: why.replace(tree.root + "/", "/") if tree.root else why for path, why in found.items() if why}
