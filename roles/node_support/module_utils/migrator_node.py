"""What the node-side modules share: Docker's API over its socket, commands, files, containerd's CRI.

Runs on the node: Python 3.6 or later, standard library only.
"""

import base64
import hashlib
import http.client
import json
import os
import socket
import subprocess
import urllib.parse

DOCKER_SOCKET = "/var/run/docker.sock"
POD_UID = "io.kubernetes.pod.uid"
"""Label of every container that dockershim or cri-dockerd made (dockershim/naming.go, 1.20.2)."""
CRI_NAMESPACE = "k8s.io"
FOLDERS = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/opt/bin",
    "/snap/bin",
)
"""Where programs are looked for: sudo's own PATH often lacks the local ones."""


OF_CONTENT = frozenset(("security.ima", "security.evm"))
"""Extended attributes that sign the bytes of one file: they would be wrong on others."""
ACCESS = "system.posix_acl_access"


class NodeError(Exception):
    """Something on the node did not work; the message says what and why."""


class BusyError(NodeError):
    """Something is under way on the node for longer than was waited; that says nothing of how it will end."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        http.client.HTTPConnection.__init__(self, "docker", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def docker_open(method, path, timeout=120, socket_path=None):
    """Send a request to Docker's API; return the open response. Raise OSError when no Docker answers."""
    connection = _UnixConnection(socket_path or DOCKER_SOCKET, timeout)
    try:
        connection.request(method, path, headers={"Host": "docker"})
        return connection.getresponse()
    except BaseException:
        connection.close()
        raise


def docker(method, path, timeout=120, accept=(), socket_path=None):
    """Ask Docker's API and return the decoded answer (None for an empty one).

    Raises NodeError for an HTTP status of 400 or more that is not in `accept`.
    """
    response = docker_open(method, path, timeout, socket_path)
    body = response.read()
    if response.status >= 400 and response.status not in accept:
        raise NodeError(
            "Docker refused {} {}: {}".format(method, path.split("?")[0], body.decode(errors="replace")[:300])
        )
    return json.loads(body.decode()) if body.strip() else None


def docker_containers(kubernetes_only=False):
    """List Docker's containers, running or not; only those of pods when asked."""
    query = {"all": "true"}
    if kubernetes_only:
        query["filters"] = json.dumps({"label": [POD_UID]})
    return docker("GET", "/containers/json?" + urllib.parse.urlencode(query))


def environment():
    """Give the environment of programs: those of root's login, whatever PATH sudo has left."""
    return dict(os.environ, PATH=":".join(FOLDERS + tuple(os.environ.get("PATH", "").split(":"))))


def run(argv, timeout=120, check=True, data=None, settings=None):
    """Run a command and return (exit code, standard output, standard error) as text.

    `settings` are variables of its environment besides those of root's login.
    """
    try:
        done = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=dict(environment(), **(settings or {})),
        )
        out, err = done.communicate(data, timeout=timeout)
    except FileNotFoundError:
        if check:
            raise NodeError("{} is not installed".format(argv[0]))
        return 127, "", "not installed"
    except OSError as error:
        if check:
            raise NodeError("{} cannot be run: {}".format(argv[0], error.strerror))
        return 126, "", error.strerror
    except subprocess.TimeoutExpired:
        done.kill()
        done.communicate()
        if check:
            raise NodeError("`{}` took more than {} s".format(" ".join(argv), timeout))
        return 124, "", "took too long"
    if check and done.returncode != 0:
        raise NodeError("`{}` failed: {}".format(" ".join(argv), (err or out).strip()[-600:]))
    return done.returncode, out, err


def unit_active(unit):
    """Tell whether systemd has the unit running."""
    return run(["systemctl", "is-active", "--quiet", unit], check=False)[0] == 0


def sockets_of_docker():
    """Name the sockets besides docker.socket that start docker.service: whoever connects there wants Docker's API."""
    shown = run(["systemctl", "show", "docker.service", "--property", "TriggeredBy"], check=False)[1]
    found = {unit for line in shown.splitlines() for unit in line.partition("=")[2].split()}
    return sorted(unit for unit in found if unit.endswith(".socket") and unit != "docker.socket")


def read_bytes(path):
    """Give a file's content, or None when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def sha256(data):
    """Give the hash of a file's content in hex; "" for a missing file."""
    return hashlib.sha256(data).hexdigest() if data is not None else ""


def write_file(path, data, mode, uid=0, gid=0, attributes=None):
    """Replace a file in one step, so that a power cut leaves the old or the new one, whole.

    It keeps the extended attributes of the file that it replaces, SELinux label and access lists among them, or gets
    these `attributes`, in base64 by name. Give the names of those that it cannot have.
    """
    if attributes is None and os.path.exists(path):
        attributes = {name: value for name, value in attributes_of(path).items() if name not in OF_CONTENT}
    lost = []
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    forget_unfinished(path)
    temporary = unfinished(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chown(temporary, uid, gid)
        os.chmod(temporary, mode)
        if attributes is not None:
            lost = set_attributes(temporary, attributes)  # last: an access list decides the group's part of the mode
        os.rename(temporary, path)
    except BaseException:
        forget_unfinished(path)
        raise
    sync_folder(folder)
    return lost


def attributes_of(path):
    """Give a file's extended attributes in base64, by name."""
    found = {}
    try:
        names = os.listxattr(path)
    except OSError:  # no such file, or a file system without them
        return found
    for name in names:
        try:
            found[name] = base64.b64encode(os.getxattr(path, name)).decode("ascii")
        except OSError:  # it went meanwhile, or is one that only the kernel reads
            continue
    return found


def set_attributes(path, wanted):
    """Give a new file these attributes; give the names of those that it cannot have."""
    has, lost = attributes_of(path), []
    for name, value in sorted(wanted.items()):
        try:
            if has.get(name) != value:
                os.setxattr(path, name, base64.b64decode(value))
        except OSError:
            lost.append(name)
    if ACCESS in has and ACCESS not in wanted:  # its folder's default
        os.removexattr(path, ACCESS)
    return lost


def unfinished(path):
    """Name the file that is written before it takes the place of `path`: always the same, so that it can be found."""
    return os.path.join(os.path.dirname(path), ".migrator-{}.new".format(os.path.basename(path)))


def forget_unfinished(path):
    """Remove what a power cut or a signal has left of writing a file."""
    remove_file(unfinished(path))


def remove_file(path):
    """Remove a file durably; tell whether it was there. Somebody else may have removed it meanwhile."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    sync_folder(os.path.dirname(path))
    return True


def sync_folder(folder):
    """Make the renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ctr(arguments, timeout=120, check=True):
    """Run containerd's own client in the namespace that CRI uses."""
    return run(["ctr", "--namespace", CRI_NAMESPACE] + arguments, timeout=timeout, check=check)
