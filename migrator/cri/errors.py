"""What went wrong between us and a runtime, in words for a person."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

import grpc

from migrator.errors import CriError, Fault

_HEAD, _TAIL = 160, 300
"""Characters kept of a long message: what was tried stands first, the cause last."""
_CONNECT_SECONDS = 2.0
_OURS = 0.9
"""A runtime is told our deadline, and may give up a little before it."""
_NO_SUCH = re.compile(r"no such (container|sandbox|pod)", re.IGNORECASE)
"""How dockershim says it (status UNKNOWN); the others have the status NOT_FOUND."""
_SCARCE = tuple(map(os.strerror, (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)))
"""In the C library's words, as grpc says them; a runtime's own, in Go, have no capital."""


@dataclass(frozen=True)
class Place:
    """A runtime as messages call it, and where its socket is on this machine."""

    name: str
    path: str


@dataclass(frozen=True)
class Attempt:
    """A call that failed."""

    doing: str
    """What was asked for: "start container one"."""
    seconds: float
    """The deadline that it had."""
    elapsed: float
    spoken: bool
    """Whether the runtime had ever answered on this connection."""


def ours(error: grpc.RpcError) -> str:
    """Say what this machine had too little of to make the call at all; "" when it was made."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return ""
    details = error.details() or ""
    return next((words for words in _SCARCE if words in details), "")


def explain(error: grpc.RpcError, place: Place, attempt: Attempt) -> CriError:
    """Say what a failed call means."""
    details = error.details() or ""
    match error.code():
        # The runtime has deadlines too, ExecSync's for one: only ours means that it did not answer.
        case grpc.StatusCode.DEADLINE_EXCEEDED if attempt.elapsed >= _OURS * attempt.seconds:
            return _hung(place, attempt)
        case grpc.StatusCode.UNIMPLEMENTED:
            return _disabled(place, attempt, details)
        case grpc.StatusCode.UNAVAILABLE:
            return _lost(place, attempt, details) if attempt.spoken else _absent(place, details)
        case grpc.StatusCode.CANCELLED:
            return _lost(place, attempt, details)
        case code:
            return _refused(place, attempt, details, missing=code is grpc.StatusCode.NOT_FOUND)


def shortened(text: str) -> str:
    """Give a runtime's message on one line, without its middle when it is long."""
    line = " ".join(re.sub(r"rpc error: code = \w+ desc = ", "", text).split())
    if len(line) <= _HEAD + _TAIL:
        return line
    return f"{line[:_HEAD].rstrip()} … {line[-_TAIL:].lstrip()}"


def _refused(place: Place, attempt: Attempt, details: str, *, missing: bool) -> CriError:
    said = shortened(details) or "it gives no reason; look at its journal"
    fault = Fault.MISSING if missing or _NO_SUCH.search(details) else Fault.REFUSED
    return CriError(f"{place.name} cannot {attempt.doing}: {said}", fault)


def _hung(place: Place, attempt: Attempt) -> CriError:
    return CriError(
        f"{place.name} did not answer within {attempt.seconds:g} s when asked to {attempt.doing}, which may still "
        "happen: the runtime hangs, or its node is overloaded; look at the runtime's journal, and restart it if it "
        "stays so",
        Fault.HUNG,
    )


def _lost(place: Place, attempt: Attempt, details: str) -> CriError:
    now = _socket_problem(place.path)
    cause = f"by now {now}" if now else shortened(details)
    return CriError(
        f"the connection to {place.name} ended before it answered whether it could {attempt.doing}, which may have "
        f"happened: {cause}; look at why the runtime stopped (its journal), then try again",
        Fault.LOST,
    )


def _disabled(place: Place, attempt: Attempt, details: str) -> CriError:
    if attempt.spoken:
        return CriError(f"{place.name} cannot {attempt.doing}: {shortened(details)}", Fault.DISABLED)
    return CriError(
        f"CRI plugin is disabled or failed: {place.name} answers, but serves neither runtime.v1 nor runtime.v1alpha2, "
        "the versions of CRI that there are; take \"cri\" out of containerd's disabled_plugins, look for the plugin's "
        "error in `ctr plugins ls` and in the journal, or name the socket of a container runtime",
        Fault.DISABLED,
    )


def _absent(place: Place, details: str) -> CriError:
    if "http1" in details.lower():
        return CriError(
            f"{place.name} answers, but not as a CRI runtime does (HTTP/1, as Docker's own socket): "
            "name the runtime's CRI socket",
            Fault.DISABLED,
        )
    if "not initialized" in details:  # containerd, while its CRI plugin starts
        return CriError(f"{place.name} is not ready yet: {shortened(details)}", Fault.ABSENT)
    problem = _socket_problem(place.path)
    if problem:
        return CriError(f"{place.name} cannot be asked: {problem}", Fault.ABSENT)
    return CriError(
        f"{place.name} takes connections and ends them without a word: no runtime serves there any more, or none that "
        f"speaks CRI ({shortened(details)}); look at the runtime's journal",
        Fault.ABSENT,
    )


def _socket_problem(path: str) -> str:
    """Say why nobody can be reached at a socket; "" when somebody can."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return f"{path} is not a socket; name the runtime's CRI socket"
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_CONNECT_SECONDS)
            line.connect(path)
    except FileNotFoundError:
        return f"there is no socket {path}; start the runtime, or name its CRI socket"
    except PermissionError:
        return f"this user may not open {path}; it takes root, or a privilege escalation that works"
    except ConnectionRefusedError:
        return f"nobody listens on {path}; start the runtime (its unit may have failed)"
    except OSError as error:
        return f"{path}: {error}"
    return ""
