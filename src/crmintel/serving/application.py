"""The server as an ASGI application: routes, limits, and errors that repeat nothing."""

import asyncio
import json
import logging
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, final

from crmintel.errors import CrmIntelError
from crmintel.scoring.strict import strict_json
from crmintel.serving.metrics import Metrics
from crmintel.serving.openapi import openapi
from crmintel.serving.refusals import Refused, refusal
from crmintel.serving.served import Answer, Served
from crmintel.showing import Shown

_logger = logging.getLogger("crmintel.serving")
ASKED: Final = ("/predict", "/recommend", "/decide")
LOOKED_AT: Final = ("/health", "/ready", "/metrics", "/openapi.json")
DRAINED: Final = 64
"""A body that is too large is read on, and thrown away, up to so many times the limit: so the answer arrives."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Made = tuple[int, bytes, dict[str, str]]
_JSON: Final = "application/json"


class _Gone(Exception):
    """The client hung up."""


@final
class Application(Shown):
    """What a web server such as uvicorn calls.

    Parameters
    ----------
    served : Served
        What answers; it may be exchanged while requests are under way, which then end with the one they began with.
    background : callable, optional
        What runs beside it, such as the watch for new models; it gets the application.
    log_requests : bool
        Write a line for each request: route, status, milliseconds.

    Examples
    --------
    >>> from crmintel.churn import SMALL, ChurnClassifier
    >>> import numpy as np, pandas as pd
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, (X["orders"] % 3 < 1).astype(int))
    >>> app = Application(Served(model, "a fingerprint"))
    >>> sorted(app.served.asks)
    ['/predict']
    """

    def __init__(
        self, served: Served, *, background: Callable[["Application"], Awaitable[None]] | None = None, log_requests: bool = False,
    ) -> None:  # fmt: skip
        self.served, self.limits, self.metrics = served, served.limits, Metrics()
        self.background, self.log_requests = background, log_requests
        self._pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="crmintel")
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin, path = time.perf_counter(), scope["path"]
        route = path if path in ASKED or path in LOOKED_AT else "other"
        self.metrics.in_flight += 1
        try:
            status, body, headers = await self._told(scope, receive)
            told = {"content-type": _JSON, "content-length": str(len(body)), "cache-control": "no-store", **headers}
            await send({"type": "http.response.start", "status": status, "headers": [(k.encode(), v.encode()) for k, v in told.items()]})  # fmt: skip
            await send({"type": "http.response.body", "body": body})
        except _Gone:
            status = 499
        finally:
            self.metrics.in_flight -= 1
        took = time.perf_counter() - begin
        self.metrics.seen(route, status, took)
        if self.log_requests:
            _logger.info("%s %d %.1f ms", route, status, took * 1000)

    async def _told(self, scope: Scope, receive: Receive) -> Made:
        """Status, body and headers, whatever happens."""
        try:
            if scope["path"] in ASKED:
                return await self._asked(scope, receive)
            return self._looked_at(scope)
        except Refused as error:
            return error.status, _bytes(error.body()), error.headers
        except _Gone:
            raise
        except Exception as error:
            number = secrets.token_hex(8)
            places = [f"{f.filename.rpartition('/')[2]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
            _logger.error("error %s: %s at %s", number, type(error).__name__, " < ".join(reversed(places)))
            told = Refused(500, "internal", f"Something went wrong here. The log knows it as {number}.")
            return 500, _bytes(told.body() | {"id": number}), {}

    def _looked_at(self, scope: Scope) -> Made:
        path, method = scope["path"], scope["method"]
        if path not in LOOKED_AT:
            raise Refused(404, "not_found", "There is no such route.", [*self.served.asks, *LOOKED_AT])
        if method not in ("GET", "HEAD"):
            raise Refused(405, "method_not_allowed", "This route is asked by GET.", headers={"allow": "GET, HEAD"})
        if path == "/metrics":
            return (
                200,
                self.metrics.text(self.served.fingerprint).encode(),
                {"content-type": "text/plain; version=0.0.4"},
            )
        if path == "/openapi.json":
            return 200, _bytes(openapi(self.served)), {}
        if path == "/ready":
            try:
                self.served.tried()
            except Exception as error:
                _logger.error("not ready: %s", type(error).__name__)
                raise Refused(503, "not_ready", "The model does not answer.") from None
        return 200, _bytes({"status": path[1:], "model": self.served.fingerprint}), {}

    async def _asked(self, scope: Scope, receive: Receive) -> Made:
        route, served, headers = scope["path"], self.served, dict(scope["headers"])
        if scope["method"] != "POST":
            raise Refused(405, "method_not_allowed", "This route is asked by POST.", headers={"allow": "POST"})
        if route not in served.asks:
            raise Refused(409, "cannot", "The model that is loaded cannot answer this. See where.", [*served.asks])
        kind, _, more = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
        if kind.strip() != _JSON or more.strip() not in ("", "charset=utf-8") or b"content-encoding" in headers:
            raise Refused(415, "unsupported_media_type", "Send application/json in UTF-8, not compressed.")
        if self.metrics.in_flight > self.limits.concurrency:
            raise Refused(503, "busy", "Too many requests are under way. Come back in a moment.", headers={"retry-after": "1"})  # fmt: skip
        raw = await self._body(receive)
        if served.quick(route) and len(raw) <= self.limits.inline:
            told, rows, unseen = answered(served, route, raw)
            body = _bytes(told)
        else:
            body, rows, unseen = await self._pooled(served, route, raw)
        self.metrics.rows += rows
        self.metrics.unseen += unseen
        return 200, body, {}

    async def _body(self, receive: Receive) -> bytes:
        """The body, counted while it comes in."""
        parts: list[bytes] = []
        total, most = 0, self.limits.bytes
        try:
            async with asyncio.timeout(self.limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    part = message.get("body", b"")
                    total += len(part)
                    if total <= most:
                        parts.append(part)
                    else:
                        parts.clear()
                    if not message.get("more_body", False) or total > DRAINED * most:
                        break
        except TimeoutError:
            raise Refused(503, "timeout", "The body did not come in in time.", headers={"connection": "close", "retry-after": "1"}) from None  # fmt: skip
        if total > most:
            raise Refused(413, "too_large", f"The body has more than {most:,} bytes. Send several requests.", headers={"connection": "close"})  # fmt: skip
        return b"".join(parts)

    async def _pooled(self, served: Served, route: str, raw: bytes) -> tuple[bytes, int, int]:
        """What takes longer, in a thread of its own; it is not waited for beyond the limit."""
        if self._waiting >= self.limits.concurrency:
            raise Refused(503, "busy", "Too many requests are under way. Come back in a moment.", headers={"retry-after": "1"})  # fmt: skip
        loop = asyncio.get_running_loop()

        def work() -> tuple[bytes, int, int]:
            told, rows, unseen = answered(served, route, raw)
            return _bytes(told), rows, unseen

        def done(_: Future[Any]) -> None:
            loop.call_soon_threadsafe(self._done)

        self._waiting += 1
        job = self._pool.submit(work)
        job.add_done_callback(done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job), self.limits.seconds)
        except TimeoutError:
            raise Refused(503, "timeout", "The answer took too long. Send fewer rows.", headers={"retry-after": "1"}) from None  # fmt: skip

    def _done(self) -> None:
        self._waiting -= 1

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the start of the server to its end."""
        await receive()
        beside = None if self.background is None else asyncio.ensure_future(self.background(self))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if beside is not None:
            beside.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})


def answered(served: Served, route: str, raw: bytes) -> Answer:
    """The answer of a model; complaints of the package become answers that repeat nothing."""
    try:
        return served.tell(route, raw)
    except CrmIntelError as error:
        raise refusal(error, strict_json(raw), served.own) from None


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
