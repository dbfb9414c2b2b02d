"""Anything may be asked for: every route with made-up paths, queries, bodies and headers. DIGEST_TEST_FUZZ sets how many."""

from __future__ import annotations

import os
import random

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine
from werkzeug.routing import Rule

from tests.builders import add_edition, add_subscriber, list_paper
from tests.integration.web.conftest import World, site_settings
from tests.integration.web.test_subscriptions import links

REQUESTS = int(os.environ.get("DIGEST_TEST_FUZZ", "200"))
PIECES = (
    "", "0", "-1", "9" * 30, "a" * 3000, "\x00", "%00", "\ud800", "é", "😀", "'", '"', "<script>", "../..", "{{7*7}}", "%s%n", "2026-06-09", "2026-W24",
    "2026-02-30", "2606.00000", "hep-th/9901001", "robots", "ann@example.org", "a@b@c", "One-Click", "null", "[]", "{}", "true", "1e9", "٣", "\r\nX: y",
    "\u202e", "video, robots", "Europe/Berlin", "weekly", "undo_vote", "address", "undo", "on", "=1+1", ";--", "*", "(", "\\",
)  # fmt: skip
HEADERS = (
    "Host", "If-None-Match", "If-Modified-Since", "Range", "Cookie", "Origin", "Sec-Fetch-Site", "Content-Type", "Accept", "Authorization",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Digest-Signature", "Referer",
)  # fmt: skip
FIELDS = [
    "q",
    "since",
    "until",
    "organisation",
    "code",
    "page",
    "date",
    "year",
    "topics",
    "email",
    "cadence",
    "hour",
    "timezone",
    "size",
    "language",
    "quiet",
    "paused_until",
    "muted",
    "authors",
    "organisations",
    "do",
    "paper",
    "taste",
    "form",
    "website",
    "password",
    "csrf_token",
    "status",
    "lang",
    "List-Unsubscribe",
]


@pytest.fixture
def world(engine: Engine) -> World:
    secrets = {"admin_password": SecretStr("p" * 12), "webhook_secret": SecretStr("w" * 32)}
    return World(engine, site_settings(trusted_proxies=("127.0.0.0/8",), click_tracking=True, **secrets))


def test_it_never_breaks_whatever_is_asked(world: World) -> None:
    chance = random.Random(7)
    paper = world.stored(list_paper, "2606.00000", title="Robots")
    reader = world.stored(add_subscriber)
    delivery = world.stored(add_edition, reader, [paper])
    signed = links(world)
    tokens = [
        signed.preferences(reader),
        signed.unsubscribe(reader),
        signed.confirm(reader, 0, world.now),
        signed.vote(reader, delivery, paper, True),
    ]
    tokens += [
        signed.edition(delivery),
        signed.clicks(reader, [paper], delivery)[0].decode(),
        signed.undo(reader, world.now),
        signed.address_change(reader, 0, world.now),
    ]
    rules = [rule for rule in world.app.url_map.iter_rules() if rule.endpoint != "static"]
    for number in range(REQUESTS):
        rule = chance.choice(rules)
        path = path_of(rule, [*PIECES, *tokens], chance)
        method = chance.choice(("GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"))
        fields = {
            chance.choice(FIELDS): chance.choice([*PIECES, *tokens]).replace("\ud800", "?")
            for _ in range(chance.randrange(6))
        }
        kind = chance.choice(("query", "form", "json", "raw"))
        answer = world.client.open(
            path,
            method=method,
            query_string=fields if kind == "query" else None,
            data=fields if kind == "form" else b"\xff\x00{" if kind == "raw" else None,
            json=fields if kind == "json" else None,
            headers={
                "X-Forwarded-For": f"10.0.{number % 250}.{number // 250}",
                "Accept-Language": chance.choice(("de", "x" * 50, "*")),
                chance.choice(HEADERS): _sendable(
                    chance.choice([*PIECES, "W/", "bytes=0-", "digest_admin=x", "a." * 200])
                ),
            },
        )
        assert answer.status_code < 500, (method, path, kind, fields)
        answer.close()


def _sendable(value: str) -> str:
    return "".join(value.split()).encode("latin-1", "replace").decode("latin-1")


def path_of(rule: Rule, pieces: list[str], chance: random.Random) -> str:
    path = rule.rule
    for name in rule.arguments:
        piece = chance.choice(pieces).replace("\ud800", "").replace("\r\n", "") or "x"
        for shape in (f"<{name}>", f"<path:{name}>", f"<int:{name}>"):
            path = path.replace(shape, piece)
    return path
