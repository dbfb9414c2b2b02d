"""Runs the outside collections of hostile requests and addresses against the site; skipped where they are not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select
from werkzeug.test import TestResponse

from digest.db.tables import consents, deliveries, states, subscribers, suppressions
from tests.builders import add_subscriber
from tests.conftest import shared_dir
from tests.integration.web.conftest import World, site_settings
from tests.integration.web.test_subscriptions import links

PATHS = {"{subscribe}": "/subscribe", "{confirm}": "/c", "{unsubscribe}": "/u", "{prefs}": "/p", "{click}": "/k"}
STATES = {"pending": "pending", "confirmed": "active", "unsubscribed": "unsubscribed"}
LIMIT_OF_A_CLIENT = 20


def cases(name: str) -> list[dict[str, Any]]:
    lines = (shared_dir("hostile") / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def wipe(world: World) -> None:
    with world.engine.begin() as connection:
        for table in (consents, deliveries, subscribers, suppressions, states):
            connection.execute(table.delete())


def prepare(world: World, setup: str) -> int:
    """The reader of the case; 0 where there is none."""
    named = re.search(r"[\w.]+@[\w.]+", setup)
    state = next((status for word, status in STATES.items() if word in setup), None)
    if state is None:
        return 0
    email = named[0] if named else "confirmed@example.org"
    more = {"confirmed_at": None} if state == "pending" else {}
    return int(world.stored(add_subscriber, email, status=state, **more))


def token(world: World, reader: int, path: str, kind: str, how: str) -> str:
    signed = links(world)
    if path.startswith("{prefs}"):
        made = signed.preferences(reader)
    else:
        made = signed.confirm(reader, 0, world.now) if kind == "confirm" else signed.unsubscribe(reader)
    damaged = {"flip": made[:9] + ("A" if made[9] != "A" else "B") + made[10:], "cut": made[:-5], "": made}
    return damaged.get(how, made + how)


def send(world: World, case: dict[str, Any], reader: int, n: int) -> TestResponse:
    request, path = case["request"], case["request"]["path"]
    filled = re.sub(r"\{token:(\w+):?(\w*)\}", lambda found: token(world, reader, path, found[1], found[2]), path)
    for name, address in PATHS.items():
        filled = filled.replace(name, address)
    filled = filled.replace("/erase", "/forget")
    headers = {name: value.replace("{n}", str(n % 250)) for name, value in request.get("headers", {}).items()}
    body: Any = {name: value.replace("{n}", str(n)) for name, value in request.get("form", {}).items()}
    if "body" in request:
        body = request["body"]
        if body.startswith("REPEAT:"):
            _, letter, count = body.split(":")
            body = letter * int(count)
    return world.client.open(filled, method=request["method"], headers=headers, data=body or None)


def verdict(world: World, case: dict[str, Any], answers: list[TestResponse], reader: int) -> Iterator[str]:
    """What is wrong; nothing when the case passes."""
    expect = case["expect"]
    for answer in answers:
        if answer.status_code >= 500 or "Traceback" in answer.text:
            yield f"{answer.status_code}"
        if isinstance(expect.get("status"), list) and answer.status_code not in expect["status"]:
            yield f"status {answer.status_code}"
        if any(re.search(pattern, answer.text) for pattern in expect.get("html_forbid", ())):
            yield "forbidden text in the page"
        if expect.get("redirect") is False and "Location" in answer.headers:
            yield "a redirect"
        if "Location" in answer.headers and "evil" in answer.headers["Location"]:
            yield "a way out of the site"
        if "Set-Cookie" in answer.headers:
            yield "a cookie"
        for name in expect.get("headers", {}):
            is_https = world.settings.public_url.startswith("https")
            if name not in answer.headers and (name != "Strict-Transport-Security" or is_https):
                yield f"no header {name}"
    yield from _mails(world, expect, answers)
    yield from _state(world, expect, reader, case["setup"])


def _mails(world: World, expect: dict[str, Any], answers: list[TestResponse]) -> Iterator[str]:
    written = world.rows(select(deliveries.c.mail, deliveries.c.context))
    said = str(expect.get("mail", ""))
    most = LIMIT_OF_A_CLIENT
    if said.startswith("none"):
        most = 0
    elif "at most one" in said or said.startswith(("one", "1 ")):
        most = 1
    if len(written) > most:
        yield f"{len(written)} mails"
    if said.startswith("one") and not written:
        yield "no mail"
    if any(
        "spam.example" in str(row.context) or "evil" in str(row.context) or "Bcc" in str(row.context) for row in written
    ):
        yield "a stranger's text in a mail"
    if (
        "429" in str(expect.get("status", ""))
        and answers[-1].status_code == 429
        and "Retry-After" not in answers[-1].headers
    ):
        yield "no Retry-After"


def _state(world: World, expect: dict[str, Any], reader: int, setup: str) -> Iterator[str]:
    if not reader or "state" not in expect:
        return
    found = world.rows(select(subscribers.c.status).where(subscribers.c.id == reader))
    wanted = expect["state"]
    if wanted.startswith("address gone"):
        if found:
            yield "not forgotten"
        return
    before = next(status for word, status in STATES.items() if word in setup)
    after = {"unsubscribed": "unsubscribed", "confirmed": "active"}.get(wanted, before)
    if found[0].status != after:
        yield f"state {found[0].status}"
    if "events" in expect:
        events = world.rows(select(func.count()).select_from(consents).where(consents.c.subscriber_id == reader))[0][0]
        if events != expect["events"]:
            yield f"{events} events"


def test_it_stands_every_hostile_request(world: World) -> None:
    wrong = []
    found = cases("http.jsonl")
    for case in found:
        wipe(world)
        fresh = World(world.engine, world.settings)
        reader = prepare(fresh, case["setup"])
        times = min(case["request"].get("times", 1), 60)
        answers = [send(fresh, case, reader, n) for n in range(times)]
        wrong += [f"{case['case']}: {one}" for one in dict.fromkeys(verdict(fresh, case, answers, reader))]
    assert wrong == []
    assert len(found) >= 32


def test_it_gives_every_address_its_verdict(world: World) -> None:
    settings = site_settings(trusted_proxies=("127.0.0.0/8",), public_url="https://digest.example.org")
    fresh, wrong = World(world.engine, settings), []
    for number, case in enumerate(cases("addresses.jsonl")):
        wipe(fresh)
        client = f"10.{number // 250}.{number % 250}.1"
        answer = fresh.client.post("/subscribe", data={"email": case["email"]}, headers={"X-Forwarded-For": client})
        wrong += [f"{case['case']} {case['email']!r}: {one}" for one in _address_verdict(fresh, case, answer)]
    assert wrong == []


def _address_verdict(world: World, case: dict[str, Any], answer: TestResponse) -> Iterator[str]:
    stored = world.rows(select(subscribers.c.email, subscribers.c.email_key))
    if answer.status_code >= 500 or "<script" in answer.text:
        yield f"status {answer.status_code}"
    if case["verdict"] == "accept" and (answer.status_code != 200 or len(stored) != 1):
        yield f"refused with {answer.status_code}"
    if case["verdict"] == "reject" and (
        not 400 <= answer.status_code < 500 or stored or "Please check" not in answer.text
    ):
        yield f"taken with {answer.status_code}"
    if stored and "norm" in case and stored[0].email_key != case["norm"]:
        yield f"kept as {stored[0].email_key}"
    if stored and case.get("shown_as_is") and stored[0].email != case["email"]:
        yield f"changed to {stored[0].email}"
