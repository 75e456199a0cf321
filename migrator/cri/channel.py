"""CRI calls over gRPC: the version that both sides speak, a deadline for each, our errors."""

from __future__ import annotations

import logging
import time
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from migrator.cri import Version, api_pb2
from migrator.cri.errors import Attempt, Place, explain, ours
from migrator.errors import CriError, Fault, HostUnreachableError

MESSAGE = 16 * 2**20
"""Bytes of the largest answer; the kubelet allows as much (pkg/kubelet/cri/remote, maxMsgSize)."""
VERSIONS = ("v1", "v1alpha2")
"""By preference. Their messages are the same."""
_HOUR_MS = 3_600_000
_IMAGE_METHODS = {"ImageStatus", "RemoveImage"}

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=Message)


class CriChannel:
    """A channel to one runtime's socket. Nothing is ever asked twice."""

    def __init__(self, place: Place, *, seconds: float) -> None:
        """Connect at the first call; `seconds` is a call's deadline unless it has its own."""
        self._place = place
        self._seconds = seconds
        self._api = VERSIONS[0]
        self._spoken = False
        self._channel = grpc.insecure_channel(
            f"unix:{place.path}",
            options=[
                ("grpc.default_authority", "localhost"),  # Go refuses the path that grpc would send
                ("grpc.max_receive_message_length", MESSAGE),
                ("grpc.max_send_message_length", MESSAGE),
                ("grpc.enable_http_proxy", 0),
                ("grpc.enable_retries", 0),
                ("grpc.use_local_subchannel_pool", 1),  # a new channel must not wait for what an old one could not do
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
                # How long connecting may take: who hangs is found by the call's own deadline, which is shorter.
                ("grpc.min_reconnect_backoff_ms", _HOUR_MS),
            ],
        )

    def negotiate(self) -> Version:
        """Find the version of the API that both sides know, and what the runtime is."""
        request = api_pb2.VersionRequest(version="0.1.0")  # the kubelet's word
        for self._api in VERSIONS:
            try:
                answer = self.ask("Version", request, api_pb2.VersionResponse, "say what it is")
            except CriError as error:
                if error.fault is not Fault.DISABLED or self._api == VERSIONS[-1]:
                    raise
            else:
                break
        return Version(name=answer.runtime_name, version=answer.runtime_version, api=self._api)

    def ask(self, method: str, request: Message, answer: type[Answer], doing: str, seconds: float = 0) -> Answer:
        """Call a method and give its answer; `doing` says in messages what was asked for ("start container one").

        Raises `CriError`, or `HostUnreachableError` where it was this machine that could not ask.
        """
        service = "ImageService" if method in _IMAGE_METHODS else "RuntimeService"
        call = self._channel.unary_unary(
            f"/runtime.{self._api}.{service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        deadline = seconds or self._seconds
        started = time.monotonic()
        try:
            given: Answer = call(request, timeout=deadline)
        except grpc.RpcError as error:
            _log.debug("%s: %s: %s", self._place.name, method, error)
            if reason := ours(error):
                told = f"{self._place.name} could not be asked: this machine is at its limits ({reason})"
                raise HostUnreachableError(told) from error
            attempt = Attempt(doing, deadline, time.monotonic() - started, spoken=self._spoken)
            raise explain(error, self._place, attempt) from error
        self._spoken = True
        _log.debug("%s: %s in %.3f s", self._place.name, method, time.monotonic() - started)
        return given

    def close(self) -> None:
        """End the connection."""
        self._channel.close()
