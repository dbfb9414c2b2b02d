"""The inbox as a person uses it, in a browser."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from digest.web.devinbox import start_inbox

pytestmark = pytest.mark.browser


class Site(BaseHTTPRequestHandler):
    """A website that notes what it is asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.answer("")

    def do_POST(self) -> None:
        self.answer(" " + self.rfile.read(int(self.headers["Content-Length"])).decode())

    def answer(self, body: str) -> None:
        self.asked.append(f"{self.command} {self.path}{body}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>the site</title>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), type("NotedSite", (Site,), {"asked": []})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_it_opens_links_beside_the_inbox_and_runs_no_script(browser: Browser, site: HTTPServer, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{site.server_port}"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Digest <digest@localhost>", "ann@example.org", "Three papers"
    mail["List-Unsubscribe"] = f"<{address}/u/abc>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content("Good morning")
    mail.add_alternative(
        f'<script>fetch("{address}/script")</script><a href="{address}/c/xyz">Confirm</a>', subtype="html"
    )
    with start_inbox("127.0.0.1", 0, 0, tmp_path) as inbox:
        with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as client:
            client.send_message(mail, "bounce@localhost", ["ann@example.org"])
        context = browser.new_context(java_script_enabled=True)
        page = context.new_page()
        page.goto(inbox.url)
        page.get_by_text("Three papers").click()
        with context.expect_page() as opened:
            page.frame_locator("iframe").get_by_role("link", name="Confirm").click()
        assert opened.value.title() == "the site"
        with context.expect_page() as opened:
            page.get_by_role("button", name="Unsubscribe").click()
        assert opened.value.title() == "the site"
        context.close()
    asked = [line for line in site.RequestHandlerClass.asked if "favicon" not in line]  # type: ignore[attr-defined]
    assert asked == ["GET /c/xyz", "POST /u/abc List-Unsubscribe=One-Click"]
