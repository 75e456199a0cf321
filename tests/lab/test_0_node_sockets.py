"""A socket of the user's that starts Docker: it goes with Docker, and what listened before listens again after the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.nodeside import Node

SOCKET = "docker-tcp.socket"
PORT = 2375
UNIT = f"""[Unit]
Description=Docker Socket for the API

[Socket]
ListenStream={PORT}
BindIPv6Only=both
Service=docker.service

[Install]
WantedBy=sockets.target
"""
"""As flatcar.org's "Customizing Docker" has it."""
ANSWERS = f'python3 -c \'import http.client as c; h = c.HTTPConnection("127.0.0.1", {PORT}, timeout=20); h.request("GET", "/_ping"); print(h.getresponse().read().decode())\''


@pytest.fixture
def served(node: Node) -> Iterator[Node]:
    """Have Docker's API on a port, by a unit of the user's that is on now and at boot."""
    node.at(f"/etc/systemd/system/{SOCKET}").write_text(UNIT)
    node.do(
        f"systemctl daemon-reload; systemctl -q enable {SOCKET}; systemctl stop docker.socket docker\n"
        f"systemctl start {SOCKET} docker.socket; systemctl start docker; systemctl start kubelet"
    )
    assert node.do(ANSWERS).strip() == "OK"
    try:
        yield node
    finally:
        node.do(
            f"systemctl stop {SOCKET} docker.socket docker; systemctl -q disable {SOCKET}\n"
            f"rm /etc/systemd/system/{SOCKET}; systemctl daemon-reload; systemctl start docker.socket docker"
        )


def goes(node: Node) -> None:
    """Switch the node and retire Docker; nothing of it listens any more."""
    done = node.forth()
    assert (done["outcome"], done["problems"]) == ("switched", [])
    assert node.ask("docker_stop") == {"changed": True, "kept": []}
    assert [
        unit for unit in (SOCKET, "docker.socket", "docker.service") if node.active(unit) or node.enabled(unit)
    ] == []
    assert node.run(ANSWERS).returncode != 0
    assert not node.active("docker.service"), "nobody who connects starts it"


def returns(node: Node) -> None:
    """Take it back, without a word about anything that would not be as before."""
    done = node.back()
    assert (done["outcome"], done["problems"]) == ("restored", [])


def test_what_listened_listens_again(served: Node) -> None:
    """The journal's first line says that it did; afterwards the API answers there, and does at boot."""
    goes(served)
    begin = served.journal()[0]
    assert (begin["active"], begin["enabled"]) == ([SOCKET], [SOCKET, "docker.socket", "docker.service"])

    returns(served)

    assert served.active(SOCKET)
    assert served.enabled(SOCKET)
    assert served.do(ANSWERS).strip() == "OK"
    assert served.show(SOCKET, "ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}
    assert all(served.active(unit) and served.enabled(unit) for unit in ("docker.socket", "docker.service"))


def test_what_was_stopped_stays_so(served: Node) -> None:
    """It is enabled, and its owner has stopped it: that is not ours to change."""
    served.do(f"systemctl stop {SOCKET} docker.socket docker; systemctl start docker.socket docker kubelet")
    goes(served)
    assert (served.journal()[0]["active"], served.journal()[0]["enabled"][0]) == ([], SOCKET)

    returns(served)

    assert (served.active(SOCKET), served.enabled(SOCKET)) == (False, True)


def test_what_listened_until_the_next_boot_does_so_again(served: Node) -> None:
    """It was started by hand: it comes back, and is not there at boot."""
    served.do(f"systemctl -q disable {SOCKET}")
    goes(served)
    assert (served.journal()[0]["active"], SOCKET in served.journal()[0]["enabled"]) == ([SOCKET], False)

    returns(served)

    assert (served.active(SOCKET), served.enabled(SOCKET)) == (True, False)
    assert served.do(ANSWERS).strip() == "OK"


def test_where_docker_was_not_retired_nothing_happens_to_it(served: Node) -> None:
    """Docker has run all the time, and so has its socket."""
    served.foreign()
    served.forth()
    assert served.active(SOCKET)
    assert served.ask("docker_stop")["kept"] != []

    returns(served)

    assert served.active(SOCKET)
    assert served.do(ANSWERS).strip() == "OK"
