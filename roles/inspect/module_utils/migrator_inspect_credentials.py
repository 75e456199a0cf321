"""Credentials and certificates for registries: where they are, never what they say.

Runs on the node: Python 3.6 or later, standard library only.
"""

import json
import re

from ansible.module_utils.migrator_inspect_tree import MOST_FILES

KUBELET_ROOT = "/var/lib/kubelet"
CERTIFICATES = "/etc/docker/certs.d"
_KINDS = ((".crt", "ca"), (".cert", "client"), (".key", "key"))
_SECRETS = ("auth", "identitytoken", "registrytoken", "username", "password")


def places(kubelet_root, more=()):
    """Give the files that the kubelet takes credentials from (1.20.2, pkg/credentialprovider/config.go), and others."""
    root = (kubelet_root or KUBELET_ROOT).rstrip("/")
    homes = (root, "/root/.docker", "/.docker")
    found = [home + "/config.json" for home in homes]
    found += [home + "/.dockercfg" for home in (root, "/root", "")]
    return found + [path for path in more if path.startswith("/") and path not in found]


def credentials(tree, paths):
    """Describe each file with credentials that is there."""
    found = []
    for path in paths:
        if tree.exists(path) and not tree.is_folder(path):
            registries, helpers = read(tree.text(path))
            found.append(
                {"path": path, "sha256": tree.sha256(path), "registries": registries, "helpers": helpers}
            )  # fmt: skip
    return found


def read(text):
    """Give the hosts that a file has credentials for, and the helpers that it names.

    The older form of the file has no `auths` around them.
    """
    try:
        document = json.loads(text)
    except ValueError:
        return [], []
    if not isinstance(document, dict):
        return [], []
    old = not {"auths", "credsStore", "credHelpers"} & set(document)
    auths = document if old else document.get("auths")
    hosts = [
        host_of(name)
        for name, entry in (auths.items() if isinstance(auths, dict) else [])
        if isinstance(entry, dict) and any(entry.get(key) for key in _SECRETS)
    ]
    per_host = document.get("credHelpers")
    helpers = [document.get("credsStore")] + list(per_host.values() if isinstance(per_host, dict) else [])
    return sorted(set(hosts)), sorted({helper for helper in helpers if isinstance(helper, str) and helper})


def host_of(name):
    """Give host and port of a registry that is written as a URL or with a path."""
    return re.sub(r"^[a-z]+://", "", name).partition("/")[0].rpartition("@")[2]


def certificates(tree):
    """Describe the certificates and keys in Docker's folders, each named by its registry."""
    found = []
    for folder in tree.names(CERTIFICATES):
        for ending, kind in _KINDS:
            for name in tree.names(CERTIFICATES + "/" + folder):
                path = "{}/{}/{}".format(CERTIFICATES, folder, name)
                if name.endswith(ending) and not tree.is_folder(path):
                    found.append(_certificate(tree, path, folder, kind))
    return found[:MOST_FILES]


def _certificate(tree, path, registry, kind):
    status = tree.status(path)
    mode = "{:04o}".format(status.st_mode & 0o7777) if status else ""
    return {"path": path, "registry": registry, "kind": kind, "sha256": tree.sha256(path), "mode": mode}
