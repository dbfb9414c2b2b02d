from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import Engine

from digest import overview
from digest.db.tables import bounces, consents, stage_runs
from tests.builders import NOW, TODAY, add_digest, add_edition, add_source_run, add_subscriber, list_paper
from tests.integration.web.conftest import World, site_settings

PASSWORD = "correct horse battery"
Operator = tuple[World, FlaskClient]


def csrf(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def log_in(world: World, password: str = PASSWORD) -> FlaskClient:
    client = world.app.test_client()
    token = csrf(client.get("/admin/login").text)
    client.post("/admin/login", data={"csrf_token": token, "password": password})
    return client


@pytest.fixture
def operator(engine: Engine) -> Operator:
    world = World(engine, site_settings(admin_password=SecretStr(PASSWORD)))
    return world, log_in(world)


def test_it_has_no_operator_pages_without_a_password(world: World) -> None:
    for path in ("/admin", "/admin/login", "/admin/ledger", "/admin/readers/1"):
        assert world.client.get(path).status_code == 404


def test_it_lets_in_with_the_password_only(operator: Operator) -> None:
    world, client = operator
    assert client.get("/admin/").status_code == 200
    stranger = log_in(world, "wrong")
    for path in ("/admin/", "/admin/ledger", "/admin/readers", "/admin/feedback", "/admin/readers/1"):
        assert stranger.get(path).location == "/admin/login"


def test_it_keeps_its_cookie_from_scripts_other_sites_and_other_pages(operator: Operator) -> None:
    world, client = operator
    cookie = client.get_cookie("digest_admin", "127.0.0.1", "/admin")
    assert cookie
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Strict", "/admin")
    assert "no-store" in client.get("/admin/").headers["Cache-Control"]
    secure = World(
        world.engine, site_settings(admin_password=SecretStr(PASSWORD), public_url="https://digest.example.org")
    )
    assert "Secure" in secure.app.test_client().get("/admin/login").headers["Set-Cookie"]


def test_it_stops_guessing(operator: Operator) -> None:
    world, _ = operator
    client = world.app.test_client()
    token = csrf(client.get("/admin/login").text)
    codes = [client.post("/admin/login", data={"csrf_token": token, "password": str(n)}).status_code for n in range(7)]
    assert codes == [403] * 4 + [429] * 3


def test_it_takes_no_post_without_its_token(operator: Operator) -> None:
    world, client = operator
    assert client.post("/admin/readers", data={"email": "ann@example.org"}).status_code == 400
    assert world.app.test_client().post("/admin/login", data={"password": PASSWORD}).status_code == 400
    client.post("/admin/logout", data={"csrf_token": csrf(client.get("/admin/").text)})
    assert client.get("/admin/").status_code == 302


def test_it_ends_sessions_when_the_password_changes(operator: Operator) -> None:
    world, client = operator
    cookie = client.get_cookie("digest_admin", "127.0.0.1", "/admin")
    assert cookie
    other = World(world.engine, site_settings(admin_password=SecretStr("another one"))).app.test_client()
    other.set_cookie("digest_admin", cookie.value, domain="127.0.0.1", path="/admin")
    assert other.get("/admin/").status_code == 302


def test_it_shows_today_stage_by_stage(operator: Operator) -> None:
    world, client = operator
    reader = world.stored(add_subscriber)
    world.stored(add_digest, reader)
    world.stored(add_source_run, TODAY, "failed", "it answered 503 three times")
    with world.engine.begin() as connection:
        connection.execute(
            stage_runs.insert().values(
                stage="rank", started_at=NOW, finished_at=NOW, seconds=1.5, ok=True, counts={"ranked": 7}, reason=""
            )
        )
        connection.execute(consents.insert().values(subscriber_id=reader, at=NOW, event="confirmed", wording=""))
    page = client.get("/admin/").text
    assert "ranked 7" in page
    assert "it answered 503 three times" in page
    assert "Confirmed a day" in page
    assert "<rect" in page


def test_it_answers_why_a_reader_got_nothing_on_monday(operator: Operator) -> None:
    world, client = operator
    reader = world.stored(add_subscriber)
    paper = world.stored(list_paper, "2606.00001")
    world.stored(add_edition, reader, [paper])
    world.stored(
        add_digest, reader, TODAY - timedelta(days=1), status="skipped", reason="source_down: huggingface: 503"
    )
    token = csrf(client.get("/admin/readers").text)
    answer = client.post("/admin/readers", data={"csrf_token": token, "email": "Ann@example.org"})
    assert answer.location == f"/admin/readers/{reader}"
    page = client.get(answer.location).text
    assert "Monday" in page
    assert "We could not reach our sources" in page
    assert "ann@example.org" not in page
    assert "a***@example.org" in page
    assert client.get("/admin/readers/999").status_code == 404


def test_it_drills_down_from_the_ledger(operator: Operator) -> None:
    world, client = operator
    reader = world.stored(add_subscriber)
    world.stored(add_digest, reader, status="refused", reason="no such user", reply_code=550, reply_status="5.1.1")
    for query in ("", "?date=2026-06-09&status=refused", "?date=x&status=y&page=-1"):
        assert f'href="/admin/readers/{reader}"' in client.get("/admin/ledger" + query).text
    assert "550 5.1.1" in client.get("/admin/ledger").text


def test_it_leafs_through_the_ledger(operator: Operator) -> None:
    world, client = operator
    reader = world.stored(add_subscriber)
    for back in range(overview.ROWS, -1, -1):
        world.stored(add_digest, reader, TODAY - timedelta(days=back), status="refused")
    first = client.get("/admin/ledger?date=&status=refused").text
    (link,) = re.findall(r'rel="next" href="([^"]+)"', first)
    oldest = client.get(html.unescape(link)).text
    assert str(TODAY - timedelta(days=overview.ROWS)) not in first
    assert str(TODAY - timedelta(days=overview.ROWS)) in oldest
    assert oldest.count("<td>digest</td>") == 1
    assert 'rel="prev"' in oldest


def test_it_shows_returned_mail_and_votes(operator: Operator, add_vote: Callable[..., None]) -> None:
    world, client = operator
    reader = world.stored(add_subscriber)
    paper = world.stored(list_paper, "2606.00001", title="Robots <b>")
    world.stored(add_vote, reader, paper)
    with world.engine.begin() as connection:
        connection.execute(
            bounces.insert().values(
                subscriber_id=reader, kind="hard", status="5.1.1", detail="no <such> user", at=NOW, digest="1"
            )
        )
    page = client.get("/admin/feedback").text
    assert "no &lt;such&gt; user" in page
    assert "Robots &lt;b&gt;" in page


@pytest.fixture
def add_vote() -> Callable[..., None]:
    from digest.feedback.record import vote

    return lambda connection, reader, paper: vote(connection, reader, paper, True, NOW)


def test_it_counts_the_tables_for_prometheus(operator: Operator) -> None:
    world, _ = operator
    reader = world.stored(add_subscriber)
    world.stored(add_digest, reader)
    said = world.client.get("/metrics").text
    assert 'digest_subscribers{status="active"} 1.0' in said
    assert 'digest_mails{mail="digest",status="submitted"} 1.0' in said
    assert "example.org" not in said
