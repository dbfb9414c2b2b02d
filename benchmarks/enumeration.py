"""Whether the subscribe form tells what is known of an address: answers compared byte by byte, and their times.

`digest bench enumeration [--database URL] [--tries N] [--processes P]` starts the web server as `digest web` does on an
empty database, stores N addresses in each state, and asks for each once, the states taking turns. Leaves with 1 when
two answers differ in more than the form's token, or the medians of two states lie more than 25 ms apart.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from types import MappingProxyType
from urllib.parse import urlencode

from sqlalchemy import Connection, select

from benchmarks.web import serving
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import subscribers
from digest.subscribers import lifecycle, suppression
from digest.subscribers.address import parse
from digest.subscribers.subscriber import Preferences
from digest.subscribers.tokens import ConfirmLink
from digest.web.forms import HONEYPOT, NAME, SHORTEST_SECONDS, TOKEN_FIELD

APART_MAX_MS = 25.0
EARLIER = timedelta(days=3)  # long enough ago that a mailbox may be written to again
Answer = tuple[int, tuple[tuple[str, str], ...], bytes]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="digest bench enumeration", description=__doc__)
    parser.add_argument("--database", help="URL of an empty database; a new SQLite file without it")
    parser.add_argument("--tries", type=int, default=50, help="for each state of an address")
    parser.add_argument("--processes", type=int, default=2, help="of the web server")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        url = asked.database or f"sqlite:///{folder}/bench.db"
        engine = make_engine(url)
        migrate(engine)
        with engine.begin() as connection:
            if connection.execute(select(subscribers.c.id).limit(1)).first():
                parser.error("the database has subscribers. Give an empty one.")
            for state, bring in STATES.items():
                for number in range(asked.tries):
                    bring(connection, address_of(state, number))
        with serving(url, Path(folder), asked.processes, TRUSTED_PROXIES="127.0.0.0/8") as port:
            answers, times_ms = ask_for_all(port, asked.tries)
        engine.dispose()
    return judged(url.partition(":")[0], answers, times_ms)


# --- addresses in every state ---------------------------------------------------------------------------------------


def address_of(state: str, number: int) -> str:
    return f"{state.replace(' ', '-')}{number}@example.org"


def _unknown(_connection: Connection, _email: str) -> None:
    """Nothing is stored of it."""


def _pending(connection: Connection, email: str, ago: timedelta = EARLIER) -> ConfirmLink:
    at = datetime.now(UTC) - ago
    lifecycle.subscribe(connection, parse(email), Preferences(), at, wording="as asked")
    found = select(subscribers.c.id).where(subscribers.c.email_key == parse(email).key)
    return ConfirmLink(connection.execute(found).scalar_one(), 0, at)


def _asked_just_now(connection: Connection, email: str) -> None:
    _pending(connection, email, timedelta())


def _active(connection: Connection, email: str) -> int:
    link = _pending(connection, email)
    lifecycle.confirm(connection, link, link.issued_at, wording="as asked")
    return link.subscriber_id


def _paused(connection: Connection, email: str) -> None:
    now = datetime.now(UTC)
    lifecycle.pause(connection, _active(connection, email), (now + timedelta(days=30)).date(), now)


def _unsubscribed(connection: Connection, email: str) -> None:
    lifecycle.unsubscribe(connection, _active(connection, email), datetime.now(UTC) - EARLIER, how="page")


def _rejected(connection: Connection, email: str) -> None:
    lifecycle.reject(connection, _pending(connection, email), datetime.now(UTC))


def _suppressed(connection: Connection, email: str) -> None:
    lifecycle.suppress(connection, _active(connection, email), suppression.Reason.COMPLAINT, datetime.now(UTC))


def _forgotten(connection: Connection, email: str) -> None:
    lifecycle.forget(connection, _active(connection, email), datetime.now(UTC))


STATES: dict[str, Callable[[Connection, str], object]] = {
    "unknown": _unknown,
    "pending": _pending,
    "asked just now": _asked_just_now,
    "active": _active,
    "paused": _paused,
    "unsubscribed": _unsubscribed,
    "rejected": _rejected,
    "suppressed": _suppressed,
    "forgotten": _forgotten,
}


# --- asking ---------------------------------------------------------------------------------------------------------


def ask_for_all(port: int, tries: int) -> tuple[dict[str, set[Answer]], dict[str, list[float]]]:
    """All answers to each state, and how long each took; every request comes from a network of its own."""
    token = form_token(port)
    time.sleep(SHORTEST_SECONDS + 0.1)
    for number in range(10):  # the first requests of a process are slow
        ask(port, token, f"warm{number}@example.org", f"10.255.0.{number}")
    answers: dict[str, set[Answer]] = {state: set() for state in STATES}
    times_ms: dict[str, list[float]] = {state: [] for state in STATES}
    for number in range(tries):
        for place, state in enumerate(STATES):
            started = time.perf_counter()
            answer = ask(port, token, address_of(state, number), f"10.{place}.{number // 250}.{number % 250}")
            times_ms[state].append((time.perf_counter() - started) * 1000)
            answers[state].add(answer)
    return answers, times_ms


def form_token(port: int) -> str:
    _, _, page = _answer(port, "GET")
    found = TOKEN_FIELD.search(page)
    assert found, "the form has no token"
    return found[0].split(b'"')[3].decode()


def ask(port: int, token: str, email: str, network: str) -> Answer:
    """Status, headers but the time of day, and the page without the token."""
    body = urlencode({"email": email, "topics": "robots", NAME: token, HONEYPOT: ""})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": network}
    status, fields, page = _answer(port, "POST", body, headers)
    return status, fields, TOKEN_FIELD.sub(b"", page)


def _answer(port: int, method: str, body: str = "", headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, "/subscribe", body, dict(headers))
        response = connection.getresponse()
        fields = tuple((name, value) for name, value in response.getheaders() if name != "Date")
        return response.status, fields, response.read()


def judged(database: str, answers: dict[str, set[Answer]], times_ms: dict[str, list[float]]) -> int:
    medians = {state: median(times) for state, times in times_ms.items()}
    different = set().union(*answers.values())
    is_taken = all(b"Check your inbox" in page for _, _, page in different)
    apart = max(medians.values()) - min(medians.values())
    tries = len(next(iter(times_ms.values())))
    print(f"{database}: {len(medians)} states, {tries} tries each")
    for state, times in times_ms.items():
        print(f"  {state:<16}{medians[state]:>8.1f} ms median{max(times):>8.1f} ms at most")
    print(f"  different answers: {len(different)} (status {', '.join(sorted({str(one[0]) for one in different}))})")
    print(f"  medians at most {apart:.1f} ms apart, of {APART_MAX_MS:.0f}")
    return 0 if is_taken and len(different) == 1 and apart <= APART_MAX_MS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
