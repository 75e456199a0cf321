"""A gRPC server that plays a runtime: on the wire, where FakeRuntime is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc

from migrator.cri import api_pb2

VERSION = api_pb2.VersionResponse(runtime_name="fake", runtime_version="1.2.3", runtime_api_version="v1")


class CriServer(grpc.GenericRpcHandler):
    """Serves some versions of the API. A method that is not in `answers` is unimplemented.

    An answer is a message, or a function of the request and the call's context that gives one.
    """

    def __init__(self, *versions: str, **answers: Any) -> None:
        """Take what it answers; Version it knows by itself."""
        self._versions = versions
        self._answers: Mapping[str, Any] = {"Version": VERSION, **answers}
        self.asked: list[tuple[str, Any]] = []
        """Services with their methods, and requests."""
        self.deadlines: dict[str, float] = {}
        """Seconds that the client gave, by method."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Find what answers a path."""
        path = handler_call_details.method
        service, _, method = path.removeprefix("/").rpartition("/")
        if service.split(".")[1] not in self._versions or method not in self._answers:
            return None

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.asked.append((path, request))
            self.deadlines[method] = context.time_remaining()
            given = self._answers[method]
            return given(request, context) if callable(given) else given

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=getattr(api_pb2, f"{method}Request").FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def request(self, method: str) -> Any:
        """Give the only request of a method."""
        (request,) = [request for path, request in self.asked if path.endswith(f"/{method}")]
        return request


@contextmanager
def serving(server: CriServer, path: Path) -> Iterator[str]:
    """Serve on a socket; give its address."""
    running = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    running.add_generic_rpc_handlers((server,))
    running.add_insecure_port(f"unix:{path}")
    running.start()
    try:
        yield f"unix:{path}"
    finally:
        running.stop(0).wait()


def refusing(code: grpc.StatusCode, message: str) -> Any:
    """Give an answer that is an error."""

    def refuse(_: Any, context: grpc.ServicerContext) -> Any:
        context.abort(code, message)

    return refuse


class Relay:
    """A socket whose connections go on to another one until it is cut."""

    def __init__(self, path: Path, target: Path) -> None:
        """Listen."""
        self.path = path
        self._target = str(target)
        self._ends: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and take no more."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
