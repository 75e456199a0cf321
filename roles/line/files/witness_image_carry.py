"""An image that the node has already, brought into a private instance's store."""

import http.client
import os
import re
import socket as sockets
import subprocess
import urllib.parse

from witness_base import WitnessError, part, question, short
from witness_image import DOCKER_SOCKET, ContainerdStore, DockerStore

CARRY_SECONDS = 300
TRIES = 3
CHUNK = 1024 * 1024
LIVE = "/run/containerd/containerd.sock"


@question
def carry_image(reference, socket, at=LIVE):
    """Copy an image from Docker's store, or the containerd's at `at`, into that of the containerd at `socket`.

    Say whether there was one to copy: where there is none, the instance will have to pull it, as the real one would.
    """
    into = ContainerdStore(socket)
    if into.has(reference):
        return {"had": True}
    if os.path.exists(DOCKER_SOCKET) and DockerStore(DOCKER_SOCKET).has(reference):
        connection = _docker()
        try:
            connection.request("GET", "/images/{}/get".format(urllib.parse.quote(reference, safe="/:@")))
            response = connection.getresponse()
            if response.status != 200:
                raise WitnessError(
                    f"Docker does not give {reference}: {short(response.read().decode(errors='replace'))}"
                )
            _pour(response, into.client + ["import", "-"])
        except (OSError, http.client.HTTPException) as error:
            raise WitnessError(f"Docker does not give {reference}: {error}")
        finally:
            connection.close()
        return {"had": True}
    if os.path.exists(at) and ContainerdStore(at).has(reference):
        _copy(ContainerdStore(at).client + ["export", "-", reference], into.client + ["import", "-"])
        return {"had": True}
    return {"had": False}


def _copy(exporter, importer):
    """Have one client's archive taken by another; tried again when it came cut off, which `ctr` does now and then."""
    for left in range(TRIES - 1, -1, -1):
        source = subprocess.Popen(exporter, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            _pour(source.stdout, importer)
        except WitnessError:
            if not left:
                raise
        else:
            return
        finally:
            source.stdout.close()
            source.wait()


def _docker():
    connection = http.client.HTTPConnection("docker", timeout=CARRY_SECONDS)
    connection.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    connection.sock.settimeout(CARRY_SECONDS)
    connection.sock.connect(re.sub(r"^unix://", "", DOCKER_SOCKET))
    return connection


def _pour(source, importer):
    """Stream an archive into an importer."""
    child = subprocess.Popen(importer, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for chunk in iter(lambda: source.read(CHUNK), b""):
            child.stdin.write(chunk)
    except BrokenPipeError:
        pass  # the importer ended early; its message says why
    _, message = child.communicate()
    if child.returncode != 0:
        raise WitnessError("the image was not taken: " + short(message.decode(errors="replace")))


part("witness_image_carry", globals())
