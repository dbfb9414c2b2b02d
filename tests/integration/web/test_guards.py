from __future__ import annotations

import re

import pytest
from sqlalchemy import Engine

from digest.clock import real_now
from digest.db.states import put
from digest.settings import Settings
from digest.web import create_app
from tests.builders import NOW
from tests.integration.web.conftest import World, site_settings


def test_it_carries_security_headers_on_every_answer(world: World) -> None:
    for path in ("/", "/nope", "/static/style.css", "/feed.xml"):
        with world.client.get(path) as answer:
            headers = answer.headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert "Permissions-Policy" in headers
        assert "Set-Cookie" not in headers
        assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "x" * 300, ".", "..", "a..b", "evil.example/x", "[::1", "a b", "é", "me@evil.example", ""]
)
def test_it_answers_the_same_whatever_a_client_calls_it(world: World, host: str) -> None:
    """Neither a page nor a redirect may lead to a name that somebody put into a header: a cache could keep it."""
    named = {"Host": host, "X-Forwarded-Host": host}
    assert "evil" not in world.client.get("/", headers=named).text
    for path in ("/static//style.css", "/.//evil.example/", "/admin", "/paper/https://evil.example/abs/2606.00000"):
        answer = world.client.get(path, headers=named)
        assert answer.status_code == 404, path
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/paper/%00",
        "/paper/a%00b",
        "/papers/%00",
        "/c/%00",
        "/u/%0d%0a",
        "/static/%00",
        "/%00",
        "/paper/%0d%0aSet-Cookie:x",
    ],
)
def test_it_has_no_page_with_a_control_character_in_its_address(world: World, path: str) -> None:
    for method in ("GET", "POST"):
        answer = world.client.open(path, method=method)
        assert answer.status_code in (404, 405)
        assert "Set-Cookie" not in answer.headers


def test_it_asks_for_https_only_where_the_site_has_it(engine: Engine) -> None:
    world = World(engine, site_settings(public_url="https://digest.example.org"))
    assert "max-age" in world.client.get("/").headers["Strict-Transport-Security"]


def test_it_uses_no_style_or_script_inside_a_page(world: World) -> None:
    for path in ("/", "/papers", "/search", "/privacy", "/nope"):
        page = world.client.get(path).text
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page)
        assert '<html lang="en"' in page


def test_it_explains_every_error_as_a_page(world: World) -> None:
    answer = world.client.get("/nope")
    assert answer.status_code == 404
    assert "There is no such page." in answer.text
    assert "Werkzeug" not in answer.text
    wrong = world.client.delete("/search")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["Allow"]


def test_it_refuses_a_body_that_is_too_big(world: World) -> None:
    assert world.client.post("/search", data=b"a" * 20_000).status_code == 413


def test_it_speaks_the_readers_language_where_it_is_there(world: World) -> None:
    assert '<html lang="de"' in world.client.get("/", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}).text
    assert '<html lang="en"' in world.client.get("/", headers={"Accept-Language": "fr"}).text
    assert '<html lang="de"' in world.client.get("/?lang=de").text


def test_it_answers_503_while_the_database_is_away(tmp_path: object) -> None:
    settings: Settings = site_settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    client = create_app(settings, clock=lambda: NOW).test_client()
    for path in ("/", "/search?q=x", "/healthz", "/feed.xml"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "no-store" in answer.headers["Cache-Control"]


def test_it_answers_500_with_a_page_and_without_the_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("ann@example.org")

    monkeypatch.setattr("digest.web.papers.shelf.first_day", broken)
    answer = world.client.get("/papers")
    assert answer.status_code == 500
    assert "ann@example.org" not in answer.text
    assert "Something broke on our side" in answer.text


def test_it_tells_its_health(world: World) -> None:
    assert world.client.get("/healthz").json["beat"] == "stale"
    with world.engine.begin() as connection:
        put(connection, "beat", None, real_now())
    assert world.client.get("/healthz").json["beat"] == "ok"
