"""Requests to one API server by path, and what its refusals mean. The only module that imports the official client.

Answers are read as plain JSON: the client's own models are those of its release and refuse objects of API servers
that are much older.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import urllib3
from kubernetes.client import ApiClient

from migrator import log_context
from migrator.errors import ClusterError, NotFoundError, RefusedError, UnknownUserError

_log = logging.getLogger(__name__)

Answer = dict[str, Any]
_Item = TypeVar("_Item")
_SECONDS = 30
_PAGE = 500
_EXPIRED = 410
_TRIES = 3
"""Of a list that takes longer than the API server remembers where it began."""
_NOBODY = "system:anonymous"
"""Whom an API server takes for a user without credentials (k8s.io/apiserver, pkg/authentication/user/user.go)."""
_RENEWAL_LIMIT = 60.0
"""For whatever reads credentials: an exec plugin may hang, or ask a person."""
_RENEWAL_SECONDS = 10.0
"""Between two readings of credentials: an exec plugin may be slow, and whoever waits asks every second."""
_REFUSALS = frozenset({400, 403, 422})


class ApiRequests:
    """One API server, as one user. Every method raises `ClusterError`."""

    def __init__(self, client: ApiClient, *, name: str, renewed: Callable[[], ApiClient] | None = None) -> None:
        """Take a client; its name for people; and what reads its credentials anew, None where there are none."""
        self._client = _once(client)
        self.name = name
        self._renewed = renewed
        self._renewing = threading.Lock()
        self._not_before = 0.0

    def get(self, path: str, **query: str) -> Answer:
        """Read an object. Raises `NotFoundError` when there is none."""
        status, answer = self.send("GET", path, query=query)
        self.check(status, answer, f"read {path}")
        return answer

    def text(self, path: str, **query: str) -> str:
        """Read what is no JSON."""
        status, data = self._known("GET", path, query, None)
        if status >= 400:
            self.check(status, _parsed(data), f"read {path}")
        return data.decode(errors="replace")

    def list(
        self, path: str, read: Callable[[Answer], _Item], *, cached: bool = False, **query: str
    ) -> tuple[_Item, ...]:
        """Read each item of a list, page by page: the API server of a large cluster is spared one huge answer.

        An API server that has forgotten what the next page belongs to (410; etcd keeps five minutes) is asked for the
        whole list again, twice: half of it must not be taken for the whole.

        With `cached` the list comes from the API server's own cache, and etcd is not asked (ADR 26): it may be older
        than what was read before. That is `resourceVersion=0`; the limit counts only where an API server has no such
        cache (kubernetes.io, API Concepts, "Semantics for get and list"; kubernetes#70735, 1.13).
        """
        for _ in range(_TRIES):
            found: list[_Item] = []
            more = {"resourceVersion": "0"} if cached else {}
            while True:
                status, answer = self.send("GET", path, query={**query, "limit": str(_PAGE), **more})
                if status == _EXPIRED:
                    break
                self.check(status, answer, f"read {path}")
                if "items" not in answer:
                    raise ClusterError(f"cannot read {path}: {self.name} answered {status}, and no list")
                found += map(read, answer["items"] or ())
                mark = (answer.get("metadata") or {}).get("continue")
                if not mark:
                    return tuple(found)
                more = {"continue": mark}
        raise ClusterError(
            f"cannot read {path}: the API server answered {_EXPIRED} in each of {_TRIES} tries: "
            f"{str(answer.get('message', ''))[:400]}; it is too slow for a list of this length now"
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[int, Answer]:
        """Make a request; give the HTTP status and the answer, whatever they are."""
        status, data = self._known(method, path, query or {}, body)
        return status, _parsed(data)

    def check(self, status: int, answer: Mapping[str, Any], what: str, advice: str = "") -> None:
        """Raise what an answer's status means, unless it means success; `advice` says what to do about a refusal."""
        if status < 400:
            return
        message = str(answer.get("message", ""))[:400]
        told = f"{message}; {advice}" if advice else message
        if status == 401 or (status == 403 and _NOBODY in message):
            raise UnknownUserError(
                f"the API server does not know the user of {self.name} (401): use a valid kubeconfig"
            )
        if status == 403 and not advice:
            raise RefusedError(f"the user of {self.name} may not {what}: {told}")
        if status == 404:
            raise NotFoundError(f"cannot {what}: {told}")
        kind = RefusedError if status in _REFUSALS else ClusterError
        raise kind(f"cannot {what}: the API server answered {status}: {told}")

    def _known(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, object] | None
    ) -> tuple[int, bytes]:
        """Make a request, once more with credentials read anew where those that we have are not known any more.

        Tokens in files are renewed every hour, exec plugins give new tokens and certificates; the client reads them
        once. An API server takes any certificate at first and answers 401 for one that has expired
        (k8s.io/apiserver pkg/server/secure_serving.go, RequestClientCert).
        """
        client = self._client
        status, data = self._exchange(client, method, path, query, body)
        if not _unknown(status, data) or not self._renew(client):
            return status, data
        return self._exchange(self._client, method, path, query, body)

    def _renew(self, used: ApiClient) -> bool:
        """Read the credentials anew, unless another thread has since `used` was; tell whether there are others now."""
        if self._renewed is None:
            return False
        with self._renewing:
            if self._client is not used:
                return True
            if time.monotonic() < self._not_before:
                return False
            # Before it is tried: whoever comes meanwhile has a 401 to tell, and does not wait for a plugin that hangs.
            self._not_before = time.monotonic() + _RENEWAL_LIMIT
            renewed = self._renewed
        found: list[ApiClient] = []

        def read() -> None:
            # The file is just being written, or gone: what we have counts on.
            with log_context.swallowed(_log, "read the credentials anew", ClusterError):
                found.append(_once(renewed()))

        thread = threading.Thread(target=read, name="credentials", daemon=True)
        thread.start()
        thread.join(_RENEWAL_LIMIT)
        with self._renewing:
            self._not_before = time.monotonic() + _RENEWAL_SECONDS
            # A plugin that fails, and an empty file, give a client that is nobody.
            if found and (known_as(found[0]) or not known_as(used)):
                self._client = found[0]
                return True
        return False

    def _exchange(
        self, client: ApiClient, method: str, path: str, query: Mapping[str, str], body: Mapping[str, object] | None
    ) -> tuple[int, bytes]:
        began = time.monotonic()
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            request = client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json, */*", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = client.call_api(*request, _request_timeout=_SECONDS)
            data: bytes = response.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            _log.debug("%s %s: no answer in %.3f s", method, path, time.monotonic() - began, exc_info=True)
            raise ClusterError(f"the API server of {self.name} does not answer: {_reason(error)}") from error
        _log.debug("%s %s: %d in %.3f s", method, path, response.status, time.monotonic() - began)
        return response.status, data


def _unknown(status: int, data: bytes) -> bool:
    """Tell whether the API server does not know who asks; it may take them for anonymous, who may do nothing."""
    return status == 401 or (status == 403 and _NOBODY.encode() in data)


def known_as(client: ApiClient) -> bool:
    """Tell whether a client has any credentials."""
    told = client.configuration
    return bool(any(told.api_key.values()) or told.cert_file or told.username)


def _once(client: ApiClient) -> ApiClient:
    """Have it try once more only: who waits asks again, and the others should say soon that nobody answers."""
    # The client has read its configuration's `retries` when it was made, and would try four times.
    pools = client.rest_client.pool_manager
    pools.connection_pool_kw["retries"] = urllib3.Retry(total=1, backoff_factor=0.2)
    return client


def _parsed(data: bytes) -> Answer:
    try:
        answer: Answer = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")[:200]}
    return answer


def _reason(error: BaseException) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause).rpartition(">: ")[2]
