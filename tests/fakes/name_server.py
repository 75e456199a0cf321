"""Name servers on loopback, in namespaces of their own, and programs that ask them.

Run as a program in a new user, mount and network namespace: it reads questions from stdin and writes what came of them
to stdout, both JSON. Only the standard library: it starts often.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading

A, CNAME, AAAA = 1, 5, 28
SIXES = ["fd00::abcd", "::", "::1", "1::", "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1", "1:2:3:4:5:6:7:8", "0:0:1::"]
RECORDS: dict[str, list[tuple[int, bytes]]] = {
    "web.default.svc.cluster.local": [(A, bytes([10, 0, 0, 1])), (A, bytes([10, 0, 0, 2]))],
    "example.org": [(CNAME, b"\x03www\xc0\x0c"), (A, bytes([192, 0, 2, 7]))],
    "six.example.org": [(AAAA, socket.inet_pton(socket.AF_INET6, text)) for text in SIXES],
    "empty.example.org": [],
}


def reply(question: bytes, asked: list[str]) -> bytes | None:
    """Answer from the records; "broken" names get a failure, "silent" ones nothing, others do not exist."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    name, kind = ".".join(labels), int.from_bytes(question[at + 1 : at + 3])
    asked.append(f"{name} {'A' if kind == A else 'AAAA'}")
    if name.startswith("silent"):
        return None
    records = [entry for entry in RECORDS.get(name, []) if entry[0] in {kind, CNAME}]
    code = 2 if name.startswith("broken") else 0 if name in RECORDS else 3
    head = question[:2] + bytes([0x81, 0x80 | code]) + struct.pack(">HHHH", 1, len(records), 0, 0)
    answers = (b"\xc0\x0c" + struct.pack(">HHIH", type_, 1, 60, len(data)) + data for type_, data in records)
    return head + question[12 : at + 5] + b"".join(answers)


def serve(family: int, address: str, asked: list[str]) -> None:
    """Answer on port 53 of an address, in the background."""
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((address, 53))

    def loop() -> None:
        while True:
            question, peer = server.recvfrom(512)
            if (answer := reply(question, asked)) is not None:
                server.sendto(answer, peer)

    threading.Thread(target=loop, daemon=True).start()


def loopback_up() -> None:
    """Bring up the interface without which nothing can be sent."""
    siocsifflags, up = 0x8914, 1
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", up))


def main() -> None:
    """Run each program with its own resolv.conf; tell its exit code, its answer and what was asked for meanwhile."""
    asked: list[str] = []
    loopback_up()
    serve(socket.AF_INET, "127.0.0.1", asked)
    serve(socket.AF_INET6, "::1", asked)
    told = []
    with tempfile.NamedTemporaryFile("w+") as conf:
        subprocess.run(["mount", "--bind", conf.name, "/etc/resolv.conf"], check=True)
        for text, command in json.load(sys.stdin):
            conf.seek(0)
            conf.truncate()
            conf.write(text)
            conf.flush()
            asked.clear()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            told.append([done.returncode, json.loads(done.stdout), list(asked)])
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
