"""An API server that does not let the probe in: `verify` says who refused and what to do, and leaves nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from lab import controlplane, network, shell, waiting
from lab.settings import GATEWAY
from tests.field.sessions import healthy, verify
from tests.lab.conftest import Lab

NODE = "worker-1"
PORT = 8444
DENIES = """
import http.server, json, ssl, sys

class Denies(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        uid = review["request"]["uid"]
        status = {"message": "images of the company's registry only"}
        review["response"] = {"uid": uid, "allowed": False, "status": status}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = http.server.HTTPServer((sys.argv[3], int(sys.argv[4])), Denies)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""

Refuses = Callable[[Lab, Path], AbstractContextManager[Path]]
"""Has an API server refuse; gives the kubeconfig that leads to it."""


@contextmanager
def webhook(lab: Lab, certificate: Path) -> Iterator[Path]:
    """Have a webhook asked about each pod of ours."""
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "images"},
        "webhooks": [
            {
                "name": "images.company.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "namespaceSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "migrator"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
                "clientConfig": {
                    "url": f"https://{GATEWAY}:{PORT}/",
                    "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
                },
            }
        ],
    }
    controlplane.kubectl(lab.settings, ["apply", "-f", "-"], stdin=json.dumps(configuration))
    try:
        yield lab.settings.kubeconfig
    finally:
        lab.kubectl("delete", "validatingwebhookconfiguration", "images")


def certified(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the webhook, and its key."""
    certificate, key = folder / "webhook.crt", folder / "webhook.key"
    shell.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=webhook",
         "-addext", f"subjectAltName=IP:{GATEWAY}", "-keyout", key, "-out", certificate]
    )  # fmt: skip
    return certificate, key


@contextmanager
def denying(lab: Lab, folder: Path) -> Iterator[Path]:
    """Have it say no."""
    certificate, key = certified(folder)
    words = ["python3", "-c", DENIES, certificate, key, GATEWAY, str(PORT)]
    server = network.start(lab.settings, words, log=folder / "log")
    try:
        reached = network.inside(lab.settings, ["curl", "-sk", "-o", "/dev/null", f"https://{GATEWAY}:{PORT}/"])
        waiting.until(lambda: waiting.succeeds(reached, seconds=5), "the webhook answers", seconds=30)
        with webhook(lab, certificate) as kubeconfig:
            yield kubeconfig
    finally:
        server.kill()
        server.wait()


@contextmanager
def absent(lab: Lab, folder: Path) -> Iterator[Path]:
    """Have nobody there who could say yes."""
    with webhook(lab, certified(folder)[0]) as kubeconfig:
        yield kubeconfig


@contextmanager
def policed(lab: Lab, folder: Path) -> Iterator[Path]:
    """Have a second API server that lets pods in by PodSecurityPolicies, of which there are none."""
    kubeconfig = folder / "kubeconfig"
    server = controlplane.serve(lab.settings, port=PORT, plugins="NodeRestriction,PodSecurityPolicy")
    try:
        kubeconfig.write_text(lab.settings.kubeconfig.read_text().replace(":6443", f":{PORT}"))
        ready = [lab.settings.programs / "kubectl", "--kubeconfig", kubeconfig, "get", "--raw", "/readyz"]
        waiting.until(
            lambda: waiting.succeeds(network.inside(lab.settings, ready), seconds=10), "it is ready", seconds=120
        )
        yield kubeconfig
    finally:
        server.kill()
        server.wait()


OURS = "app.kubernetes.io/managed-by=migrator"
REFUSALS: Mapping[str, tuple[Refuses, str, str]] = {
    "a webhook denies": (
        denying,
        'admission webhook "images.company.test" denied the request: images of the company\'s registry only',
        "makes in our namespaces (migrator-probe-*) from images.company.test",
    ),
    "a webhook does not answer": (
        absent,
        'failed calling webhook "images.company.test"',
        "mend the service behind that webhook, or exempt what the kubeconfig's user, and nobody else, makes",
    ),
    "no PodSecurityPolicy allows it": (
        policed,
        "PodSecurityPolicy: no providers available",
        "give the kubeconfig's user the verb use on a PodSecurityPolicy that allows privileged containers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_with_what_to_do(name: str, fresh_lab: Lab, tmp_path: Path) -> None:
    """The node is not proved, and nothing of ours is left in the cluster or on the node."""
    refuses, words, advice = REFUSALS[name]
    with refuses(fresh_lab, tmp_path) as kubeconfig:
        found = verify(fresh_lab, NODE, "--kubeconfig", kubeconfig)

    print(found)
    assert found.exit_code == 16
    assert any(words in problem and advice in problem for problem in found.problems), found
    gone = partial(fresh_lab.get, "namespaces", "-l", OURS)
    fresh_lab.until(lambda: gone()["items"] == [], "the probe's namespace is gone")
    assert fresh_lab.on(NODE, "docker ps --all --format '{{.Names}}' | grep migrator || true") == ""


def test_the_node_is_good_when_nobody_refuses(fresh_lab: Lab) -> None:
    """It was the API server, not the node."""
    healthy(fresh_lab, NODE)
