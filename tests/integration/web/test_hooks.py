from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from digest.db.tables import bounces, subscribers
from digest.web.hooks import SIGNATURE, signature
from tests.builders import add_digest, add_subscriber
from tests.integration.web.conftest import World, site_settings
from tests.integration.web.test_subscriptions import links, status

SECRET = "w" * 40


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine, site_settings(webhook_secret=SecretStr(SECRET), bounce_domain="bounce.example.org"))


def post(
    world: World, body: Any, *, late_seconds: int = 0, secret: str = SECRET, kind: str = "application/json"
) -> TestResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = int(world.now.timestamp()) - late_seconds
    return world.client.post(
        "/hooks/bounces", data=raw, content_type=kind, headers={SIGNATURE: f"t={at},v1={signature(raw, at, secret)}"}
    )


def test_it_takes_in_signed_reports_once(world: World) -> None:
    world.stored(add_subscriber)
    report = {"kind": "hard", "address": "Ann@Example.org", "status": "5.1.1", "detail": "no such user", "id": "7"}
    assert post(world, report).json == {"taken": ["suppressed"]}
    assert status(world) == "suppressed"
    assert post(world, [report]).json == {"taken": ["seen"]}
    assert len(world.rows(select(bounces))) == 1


def test_it_ends_all_mail_after_a_complaint(world: World) -> None:
    world.stored(add_subscriber)
    post(world, {"kind": "complaint", "address": "ann@example.org"})
    assert world.rows(select(subscribers.c.status))[0][0] == "suppressed"


def test_it_takes_in_a_whole_returned_mail(world: World) -> None:
    reader = world.stored(add_subscriber)
    delivery = world.stored(add_digest, reader)
    mail = (
        f"From: MAILER-DAEMON@mx.example.org\nTo: {links(world).envelope_sender(delivery)}\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n--b\nContent-Type: text/plain\n\nIt failed.\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; ann@example.org\n"
        "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b--\n"
    )
    assert "suppressed" in post(world, mail.encode(), kind="message/rfc822").text
    assert status(world) == "suppressed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 5000,
        b"null",
        b"[1]",
        {"kind": "hard"},
        {"kind": "x", "address": "ann@example.org"},
        {"kind": "hard", "address": 3},
    ],
)
def test_it_says_what_is_wrong_with_a_report(world: World, body: Any) -> None:
    answer = post(world, body)
    assert answer.status_code == 400
    assert set(answer.json["error"]) == {"what", "why", "next"}


def test_it_believes_no_report_that_is_unsigned_old_or_changed(world: World) -> None:
    world.stored(add_subscriber)
    report = {"kind": "complaint", "address": "ann@example.org"}
    assert post(world, report, late_seconds=301).status_code == 403
    assert post(world, report, secret="other" * 9).status_code == 403
    assert world.client.post("/hooks/bounces", json=report).status_code == 403
    assert world.client.post("/hooks/bounces", json=report, headers={SIGNATURE: "t=1,v1=é"}).status_code == 403
    assert status(world) == "active"


def test_it_has_no_hook_without_a_secret(engine: Engine) -> None:
    assert post(World(engine, site_settings()), {}).status_code == 404
