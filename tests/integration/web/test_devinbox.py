"""The inbox of demos and tests, over real sockets."""

from __future__ import annotations

import smtplib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.web.devinbox import Inbox, MailFolder, start_inbox
from tests.builders import NOW


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with start_inbox("127.0.0.1", 0, 0, tmp_path / "mails") as running:
        yield running


def mail(subject: str = "Three papers", html: str = "<p>Good morning</p>", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Digest <digest@localhost>"
    message["To"] = "ann@example.org"
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Good morning\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message


def send(inbox: Inbox, *messages: EmailMessage, to: str = "ann@example.org") -> None:
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as client:
        for message in messages:
            client.send_message(message, "bounce+x@localhost", [to])


def page(inbox: Inbox, path: str) -> str:
    with urllib.request.urlopen(inbox.url + path) as answer:
        return str(answer.read().decode())


def test_it_keeps_the_bytes_as_they_came(inbox: Inbox) -> None:
    raw = b"Subject: =?utf-8?q?d=C3=A9j=C3=A0?=\r\nX-Fold: a\r\n b\r\n\r\n.dot\r\nend\r\n"
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as client:
        client.sendmail("bounce@localhost", ["ann@example.org", "bob@example.org"], raw)
    (taken,) = inbox.mails.mails()
    assert taken.raw == raw
    assert taken.envelope_from == "bounce@localhost"
    assert taken.envelope_to == ("ann@example.org", "bob@example.org")
    assert taken.subject == "déjà"


def test_it_finds_the_mails_of_one_address(inbox: Inbox) -> None:
    send(inbox, mail("for ann"))
    send(inbox, mail("for bob"), to="bob@example.org")
    assert [one.subject for one in inbox.mails.mails(to="bob@example.org")] == ["for bob"]


def test_it_lists_mails_newest_first_and_escapes_them(inbox: Inbox) -> None:
    send(inbox, mail("older"), mail("<script>alert(1)</script>"))
    listed = page(inbox, "")
    assert listed.index("&lt;script&gt;alert(1)") < listed.index("older")
    assert "<script>" not in listed


def test_it_shows_html_where_no_script_runs_and_links_open_beside(inbox: Inbox) -> None:
    send(
        inbox,
        mail(
            html='<html><head class="x"><title>t</title></head><body><a href="https://a.example/">a</a></body></html>'
        ),
    )
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page(inbox, "mail/1")
    with urllib.request.urlopen(inbox.url + "mail/1/html") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert '<head class="x"><base target="_blank">' in answer.read().decode()
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_it_shows_text_headers_and_the_file(inbox: Inbox) -> None:
    send(inbox, mail(html="", X_Note="folded " * 20))
    assert "Good morning" in page(inbox, "mail/1")
    assert "X-Note: folded" in page(inbox, "mail/1?view=headers")
    assert page(inbox, "mail/1.eml").encode() == inbox.mails.mail(1).raw


def test_it_offers_one_click_only_where_the_mail_does(inbox: Inbox) -> None:
    link = {"List_Unsubscribe": "<mailto:out@localhost>, <https://digest.example.org/u/abc>"}
    send(inbox, mail(**link), mail(List_Unsubscribe_Post="List-Unsubscribe=One-Click", **link))
    assert inbox.mails.mail(1).one_click_url is None
    assert 'action="https://digest.example.org/u/abc"' in page(inbox, "mail/2")


@pytest.mark.parametrize("path", ["mail/7", "mail/7/html", "mail/7.eml", "mail/1?view=source", "mail/..%2f1"])
def test_it_answers_404_for_what_is_not_there(inbox: Inbox, path: str) -> None:
    send(inbox, mail())
    with pytest.raises(urllib.error.HTTPError, match="404") as answer:
        page(inbox, path)
    answer.value.close()


def test_it_reads_a_mail_in_a_charset_nobody_knows(tmp_path: Path, inbox: Inbox) -> None:
    raw = b"Content-Type: text/plain; charset=x-klingon\r\n\r\nHello\r\n"
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as client:
        client.sendmail("a@localhost", ["ann@example.org"], raw)
    assert "Hello" in page(inbox, "mail/1?view=text")


def test_it_continues_a_folder_that_already_holds_mails(tmp_path: Path) -> None:
    for subject in ("first", "second"):
        with start_inbox("127.0.0.1", 0, 0, tmp_path) as inbox:
            send(inbox, mail(subject))
    assert [one.subject for one in MailFolder(tmp_path).mails()] == ["first", "second"]


def test_it_says_when_a_port_is_taken_and_frees_the_other(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        start_inbox("127.0.0.1", 0, taken.getsockname()[1], tmp_path)


def test_it_ends_while_a_client_is_still_connected(tmp_path: Path) -> None:
    with start_inbox("127.0.0.1", 0, 0, tmp_path) as inbox:
        client = smtplib.SMTP("127.0.0.1", inbox.smtp_port)
    client.close()


def test_it_shows_sample_mails_beside_the_inbox(tmp_path: Path) -> None:
    samples = MailFolder(tmp_path / "samples")
    samples.add(b"Subject: A sample\r\n\r\nText\r\n", "", ("digest-1",), NOW)
    with start_inbox("127.0.0.1", 0, 0, tmp_path / "inbox", samples) as inbox:
        assert "/gallery/" in page(inbox, "")
        shown = page(inbox, "gallery/")
        assert "Text" in page(inbox, "gallery/mail/1?view=text")
    assert "A sample" in shown
    assert "digest-1" in shown
