"""The one polite HTTP client: it asks configured hosts only, waits when told to, and takes no more than it asked for."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Timer
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
from sqlalchemy import Engine, delete, select

from digest import __version__
from digest.clock import real_now
from digest.db.engine import insert, reading
from digest.db.tables import http_cache
from digest.sources.base import BrokenAnswer, SourceError
from digest.sources.pacing import Pace

T = TypeVar("T")

MAX_BYTES = 20_000_000
TOTAL_SECONDS = 60.0
ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 20.0  # a longer Retry-After ends the run; the next one asks again
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = 3
_CACHE_DAYS = 30
_SHUT_BOTH = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 200, or the stored body again where the server said that nothing changed."""

    body: bytes
    content_type: str
    is_unchanged: bool = False


class Http:
    """Asks for one thing at a time. Safe to share between sources, not between threads."""

    def __init__(
        self,
        engine: Engine,
        public_url: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._engine, self._sleep, self._total_seconds = engine, sleep, total_seconds
        self._stream: Any = None
        self._client = httpx.Client(
            headers={"User-Agent": f"digest/{__version__} (+{public_url})", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(20.0, connect=10.0),
            limits=httpx.Limits(max_connections=1),
            mounts={"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None},  # no proxy to this machine
        )

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self, url: str, read: Callable[[Answer], T], params: Mapping[str, str] | None = None, pace: Pace | None = None
    ) -> T:
        """What `read` makes of the answer. A broken answer is asked for again, like a server error.

        Raises SourceError with what the server said once the tries are used up or trying again makes no sense.
        """
        full = str(httpx.URL(url, params=dict(params)) if params else httpx.URL(url))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer, tags = self._ask(full, pace)
                made = read(answer)
            except _Retryable as error:
                failure: SourceError = error
            except BrokenAnswer as error:
                failure = error
            else:
                self._remember(full, answer, tags)
                return made
            wait = failure.retry_after_seconds
            if attempt == ATTEMPTS or (wait or 0.0) > LONGEST_WAIT_SECONDS:
                raise SourceError(
                    f"{failure} (asked {attempt} {'time' if attempt == 1 else 'times'})", wait
                ) from failure
            self._sleep(max(wait or 0.0, min(8.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.0)))
        raise AssertionError("unreachable")

    def _ask(self, url: str, pace: Pace | None) -> tuple[Answer, dict[str, str]]:
        host = urlsplit(url).netloc
        known = self._recall(url)
        conditions = (
            {"If-None-Match": known.etag or "", "If-Modified-Since": known.last_modified or ""} if known else {}
        )
        try:
            status, headers, body = self._follow(
                url, {name: value for name, value in conditions.items() if value}, pace
            )
        except httpx.TimeoutException as error:
            raise _Retryable(f"{host} did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # httpx looks at where a redirect leads, even unfollowed
            raise _Retryable(f"{host} could not be read: {error or type(error).__name__}") from error
        if status == HTTPStatus.NOT_MODIFIED and known:
            return Answer(_inflate(known.body), "", is_unchanged=True), {}
        if status != HTTPStatus.OK:
            raise _refusal(host, status, headers, body)
        return Answer(body, headers.get("content-type", "")), {
            "etag": headers.get("etag", ""),
            "last_modified": headers.get("last-modified", ""),
        }

    def _follow(self, url: str, conditions: dict[str, str], pace: Pace | None) -> tuple[int, httpx.Headers, bytes]:
        """The answer after redirects, which may lead to other pages of the same host and nowhere else.

        So no answer can send us to another host or into a private network, whatever a name resolves to. A redirect is
        a request more, and waits its turn like any other.
        """
        for _ in range(_REDIRECTS + 1):
            with (
                pace.turn() if pace else nullcontext(),
                self._deadline(urlsplit(url).netloc),
                self._client.stream("GET", url, headers=conditions, extensions={"trace": self._trace}) as response,
            ):
                location = response.headers.get("location")
                if not (response.is_redirect and location):
                    return response.status_code, response.headers, _body(response)
            target = _target(url, location)
            if not _is_same_host(url, target):
                raise SourceError(
                    f"{urlsplit(url).netloc} sent us on to another host, which is not followed. If it moved, correct its address in the settings"
                )
            url = target
        raise SourceError(f"{urlsplit(url).netloc} sent us in circles")

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete", "proxy.start_tls.complete"):
            self._stream = info["return_value"]

    @contextmanager
    def _deadline(self, host: str) -> Iterator[None]:
        """Ends a conversation that takes too long in all, even one that drips a byte at a time."""
        expired: list[bool] = []

        def end() -> None:
            expired.append(True)
            socket = self._stream.get_extra_info("socket") if self._stream else None
            if socket is not None:
                socket.shutdown(_SHUT_BOTH)

        timer = Timer(self._total_seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except httpx.HTTPError as error:
            if expired:
                raise SourceError(f"{host} took longer than {self._total_seconds:.0f} s to answer") from error
            raise
        finally:
            timer.cancel()

    def _recall(self, url: str) -> Any:
        with reading(self._engine).begin() as connection:
            return connection.execute(select(http_cache).where(http_cache.c.url == url)).one_or_none()

    def _remember(self, url: str, answer: Answer, tags: Mapping[str, str]) -> None:
        if answer.is_unchanged or not any(tags.values()) or len(url) > 2000:
            return
        at = real_now()  # of the real world: how old a copy is has nothing to do with a simulated clock
        row = {**tags, "body": zlib.compress(answer.body), "fetched_at": at}
        with self._engine.begin() as connection:
            statement = insert(connection, http_cache).values(url=url, **row)
            connection.execute(statement.on_conflict_do_update(index_elements=["url"], set_=row))
            old = datetime.fromtimestamp(at.timestamp() - _CACHE_DAYS * 86_400, UTC)
            connection.execute(delete(http_cache).where(http_cache.c.fetched_at < old))


class _Retryable(SourceError):
    """A failure that another try may cure."""


def _refusal(host: str, status: int, headers: httpx.Headers, body: bytes) -> SourceError:
    said = "".join(c for c in " ".join(body[:300].decode("utf-8", "replace").split()) if c.isprintable())
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "unknown status"
    detail = f": {said[:120]}" if said and "<" not in said else ""
    reason = f"{host} answered {status} ({phrase}){detail}"
    wait = retry_after(headers.get("retry-after", ""), real_now())
    if wait and wait > LONGEST_WAIT_SECONDS:
        reason += f", and asks to wait {wait:.0f} s"
    return (_Retryable if status in _RETRIED or status >= 500 else SourceError)(reason, wait)


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After field (RFC 9110, section 10.2.3): seconds or a date; None where it says nothing."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):  # a zone may be years away
        return None


def _target(url: str, location: str) -> str:
    """Where a redirect leads; nowhere when it names no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _is_same_host(before: str, after: str) -> bool:
    old, new = urlsplit(before), urlsplit(after)
    try:
        ports = [one.port or (443 if one.scheme == "https" else 80) for one in (old, new)]
    except ValueError:
        return False
    if new.hostname != old.hostname or new.username or new.scheme not in ("http", "https"):
        return False
    return (new.scheme == old.scheme and ports[0] == ports[1]) or (ports == [80, 443] and new.scheme == "https")


def _body(response: httpx.Response) -> bytes:
    """The decoded body, never more than MAX_BYTES in memory however small it was packed."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "", "gzip", "x-gzip"):
        raise BrokenAnswer(f"{response.url.host} answered in the packing {packing[:40]!r}, which was not asked for")
    unpack = zlib.decompressobj(31) if "gzip" in packing else None
    parts: list[bytes] = []
    size = 0
    for chunk in response.iter_raw():
        try:
            piece = unpack.decompress(chunk, MAX_BYTES - size + 1) if unpack else chunk
        except zlib.error as error:
            raise BrokenAnswer(f"{response.url.host} sent a packed answer that cannot be unpacked") from error
        parts.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            raise SourceError(
                f"{response.url.host} answered with more than {MAX_BYTES // 1_000_000} MB; nothing of it was kept"
            )
    if unpack and not unpack.eof and size:
        raise BrokenAnswer(f"{response.url.host} sent a packed answer that ends too early")
    return b"".join(parts)


def _inflate(stored: bytes) -> bytes:
    return zlib.decompress(stored)
