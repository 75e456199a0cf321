"""Whether a host has a part of the control plane: by the kubelet's static pods, and by processes outside containers.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_units import option

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Without the node's proxy: it runs on workers too, in places as a static pod."""
ANY = "control-plane"
"""A part whose name is not known."""
MANIFESTS = "/etc/kubernetes/manifests"
"""Where kubeadm, kubespray and kops put static pods."""
MOST = 50
"""Parts that are named."""
_ANY_COMPONENT = "|".join(COMPONENTS)
_FOLDER = re.compile(r"[\"']?\bstaticPodPath[\"']?\s*:\s*[\"']?([^\s\"',}#]+)")
_IMAGE = re.compile(r"[\"']?\bimage[\"']?\s*:\s*[\"']?([^\s\"',}\]]+)")
_NAME = re.compile(r"[\"']?\b(?:name|component)[\"']?\s*:\s*[\"']?([\w.-]+)")
_TIER = re.compile(r"[\"']?\btier[\"']?\s*:\s*[\"']?control-plane\b")
_PROXY = re.compile(r"[\"']?\bcomponent[\"']?\s*:\s*[\"']?kube-proxy\b")
_COMMAND = re.compile(
    r"(?:^\s*-|\[)\s*[\"']?(?:[\w./-]*/)?({})[\"']?\s*(?:$|[,\]])".format(_ANY_COMPONENT), re.MULTILINE
)
_CONTAINER = re.compile(r"kubepods|docker[-/]|libpod|crio-|cri-containerd|/lxc")
"""What stands in the cgroup of a container's process."""
_UNIT = re.compile(r"/([^/]+\.service)(?:/|$)", re.MULTILINE)


def control_plane(tree, words, config):
    """Give the parts of a control plane with where each was found; `words` and `config` are the kubelet's."""
    found = [
        {"name": name, "where": path} for path in manifests(tree, words, config) for name in components(tree, path)
    ]
    found += [{"name": name, "where": where} for name, where in sorted(processes(tree))]
    return found[:MOST]


def manifests(tree, words, config):
    """Give the files of static pods, as the kubelet finds them: all but those that begin with a dot."""
    drop_ins = option(words, "config-dir")
    texts = [config] + (tree.glob(drop_ins.rstrip("/") + "/*.conf") if drop_ins else [])
    told = [match for text in texts for match in _FOLDER.findall(_without_comments(tree.text(text)))]
    places = ["/" + place.strip("/") for place in [option(words, "pod-manifest-path"), MANIFESTS] + told if place]
    found = []
    for place in dict.fromkeys(places):
        names = tree.names(place) if tree.is_folder(place) else []
        found += [place + "/" + name for name in names if not name.startswith(".")]
        if not names and tree.exists(place) and not tree.is_folder(place):
            found.append(place)  # the kubelet takes a single file too
    return [path for path in found if not tree.is_folder(path)]


def components(tree, path):
    """Name the parts of a control plane that a manifest makes, sorted.

    Text is searched, not parsed: the node has no YAML parser. So more may be found than there is, and nothing less.
    """
    text = _without_comments(tree.text(path))
    words = _NAME.findall(text) + [path.rpartition("/")[2].partition(".")[0]]
    found = {word for word in words if word in COMPONENTS}
    found |= set(map(of_image, _IMAGE.findall(text))) | set(_COMMAND.findall(text))
    found.discard("")
    if not found and _TIER.search(text) and not _PROXY.search(text):
        found.add(ANY)
    return sorted(found)


def of_image(image):
    """Name the part that an image is of; "" for another one."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    match = re.match(r"({})(?:-manager)?(?:-(?:amd64|arm64|arm|ppc64le|s390x))?$".format(_ANY_COMPONENT), name)
    return match.group(1) if match else ""


def processes(tree):
    """Give the parts that run on the host outside containers, each with its unit."""
    found, own = set(), tree.link("/proc/1/ns/pid")
    for pid in filter(str.isdigit, tree.names("/proc")):
        name = of_command(tree.text("/proc/{}/cmdline".format(pid)).split("\0"))
        if not name or tree.link("/proc/{}/ns/pid".format(pid)) != own:
            continue
        cgroup = tree.text("/proc/{}/cgroup".format(pid))
        if not _CONTAINER.search(cgroup):
            unit = _UNIT.search(cgroup)
            found.add((name, unit.group(1) if unit else "a process of the host"))
    return found


def of_command(words):
    """Name the part that a command line starts; "" for another one."""
    program = words[0].rpartition("/")[2]
    if program == "hyperkube" and len(words) > 1:
        program = words[1] if words[1] in COMPONENTS else "kube-" + words[1]
    return program if program in COMPONENTS else ""


def _without_comments(text):
    return re.sub(r"(?m)^\s*#.*$", "", text)
