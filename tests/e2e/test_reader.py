"""A reader's whole way through the website, in a browser, without JavaScript; each page looked at by axe where it is at hand.

DIGEST_TEST_AXE may name axe.min.js of axe-core.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pydantic import SecretStr
from sqlalchemy import select
from werkzeug.serving import make_server

from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import consents, subscribers, votes
from digest.subscribers.tokens import Links
from digest.web.site import KEY
from tests.builders import NOW, add_digest, add_edition, add_subscriber, list_paper
from tests.integration.web.conftest import World, site_settings

pytestmark = pytest.mark.browser
TITLES = (
    "Robots that walk on ice",
    "Video diffusion in one step",
    "A survey of surveys",
    "Sparse attention for long books",
)
GRAVE = ("serious", "critical")
PASSWORD = "correct horse battery"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site with some papers on a port of its own."""
    engine = make_engine(f"sqlite:///{tmp_path}/digest.db")
    migrate(engine)
    world = World(engine, site_settings(admin_password=SecretStr(PASSWORD)))
    for number, title in enumerate(TITLES):
        world.stored(list_paper, f"2606.0000{number}", title=title, code_url="https://example.org/code")
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    world.address = f"http://127.0.0.1:{server.port}"
    yield world
    server.shutdown()
    thread.join()
    server.server_close()
    engine.dispose()


class Visit:
    """One browser window; every page opened is checked for sideways scroll and by axe."""

    def __init__(self, browser: Browser, world: World, width: int, scheme: Any) -> None:
        size: Any = {"width": width, "height": 800}
        self.context = browser.new_context(
            base_url=world.address, viewport=size, color_scheme=scheme, bypass_csp=True, java_script_enabled=True
        )
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.world = world

    def open(self, path: str) -> Page:
        self.page.goto(path)
        self.check()
        return self.page

    def press(self, label: str) -> Page:
        with self.page.expect_navigation():  # else the page that is left might be the one looked at
            self.page.get_by_role("button", name=label, exact=True).first.click()
        self.check()
        return self.page

    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    def check(self) -> None:
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{self.page.url} scrolls sideways by {too_wide}"
        assert self.page.locator("script").count() == 0
        if script := os.environ.get("DIGEST_TEST_AXE"):
            self.page.evaluate(Path(script).read_text(encoding="utf-8"))
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in GRAVE] == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (375, "dark"), (1280, "light")])
def test_it_leads_a_reader_from_the_first_look_to_goodbye_and_back(
    browser: Browser, world: World, width: int, scheme: str
) -> None:
    visit = Visit(browser, world, width, scheme)
    links: Links = world.app.extensions[KEY].links
    page = visit.open("/")
    assert page.locator("article").count() == len(TITLES)
    visit.open("/preview")
    page.get_by_label("What do you work on?").fill("robots")
    visit.press("Show my digest")
    assert TITLES[0] in page.locator("article").first.inner_text()
    world.pass_time(seconds=10)

    page.get_by_label("Mail address").fill("ann@example.org")
    visit.press("Subscribe")
    assert visit.heading() == "Check your inbox"
    reader = world.rows(select(subscribers))[0]
    assert (reader.status, reader.topics) == ("pending", ["robots"])

    visit.open(f"/c/{links.confirm(reader.id, reader.generation, world.now)}")
    visit.press("Yes, send me papers")
    assert visit.heading() == "You are in"

    visit.open(f"/p/{links.preferences(reader.id)}")
    page.get_by_label("Topics").fill("robots, sparse attention")
    page.get_by_label("Once a week, on Monday").check()
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    visit.press("Save")
    assert page.get_by_role("status").inner_text() == "Saved."
    reader = world.rows(select(subscribers))[0]
    assert (reader.topics, reader.cadence, reader.timezone) == (
        ["robots", "sparse attention"],
        "weekly",
        "Europe/Berlin",
    )

    delivery = world.stored(add_edition, reader.id, [1, 2])
    visit.open(f"/e/{links.edition(delivery)}")
    with page.expect_navigation():
        page.get_by_role("link", name="More like this").first.click()
    visit.press("More like this")
    assert [row.direction for row in world.rows(select(votes))] == [1]

    visit.open(f"/u/{links.unsubscribe(reader.id)}")
    assert world.rows(select(subscribers.c.status))[0].status == "active"
    visit.press("Unsubscribe")
    assert world.rows(select(subscribers.c.status))[0].status == "unsubscribed"
    visit.press("Undo: keep my digest")
    assert visit.heading() == "Welcome back"
    assert world.rows(select(subscribers.c.status))[0].status == "active"
    visit.open(f"/p/{links.preferences(reader.id)}/forget")
    visit.press("Erase everything about me")
    assert world.rows(select(subscribers)) == []
    assert {url.split("/")[2] for url in visit.asked} == {world.address.removeprefix("http://")}
    visit.context.close()


def test_it_works_with_the_keyboard_alone(browser: Browser, world: World) -> None:
    visit = Visit(browser, world, 375, "light")
    page = visit.open("/subscribe")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "email"
    page.keyboard.type("ann@")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    visit.check()
    visit.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_it_keeps_every_page_readable(browser: Browser, world: World, width: int, scheme: str) -> None:
    visit = Visit(browser, world, width, scheme)
    for path in (
        "/papers",
        "/papers/2026-06-09",
        "/papers/2026-06-07",
        "/papers/2026-W24",
        "/paper/2606.00001",
        "/search?q=robots",
        "/privacy",
        "/nope",
    ):
        visit.open(path)
    visit.context.close()


def test_it_shows_the_operator_the_ledger(browser: Browser, world: World) -> None:
    visit = Visit(browser, world, 375, "dark")
    with world.engine.begin() as connection:
        reader = add_subscriber(connection)
        add_digest(connection, reader, NOW.date() - timedelta(days=1), status="skipped", reason="weekend")
        connection.execute(consents.insert().values(subscriber_id=reader, at=NOW, event="confirmed", wording=""))
    page = visit.open("/admin/login")
    page.get_by_label("Password").fill(PASSWORD)
    visit.press("Log in")
    for path in ("/admin/ledger", "/admin/readers", f"/admin/readers/{reader}", "/admin/feedback"):
        visit.open(path)
    visit.open("/admin/")
    visit.press("Log out")
    assert visit.heading() == "Operator"
    visit.context.close()
