from __future__ import annotations

import email
import email.header
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering import mime
from digest.rendering.mime import HeaderError
from tests.unit.rendering.samples import SENDER

AT = datetime(2026, 6, 9, 7, tzinfo=UTC)


def subject(wire: bytes) -> str:
    raw = wire.removeprefix(b"Subject: ").decode("ascii").removesuffix("\r\n").replace("\r\n ", " ")
    return str(email.header.make_header(email.header.decode_header(raw)))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=150))
def test_it_encodes_any_subject_on_sound_lines(text: str) -> None:
    wire = mime.subject_field(text)
    lines = wire.removesuffix(b"\r\n").split(b"\r\n")
    assert wire.isascii()
    assert all(len(line) <= 76 or b"=?" not in line for line in lines)
    assert all(len(line) <= 78 for line in lines)
    assert all(line.startswith(b" =?") for line in lines[1:])
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ ]+\?=", wire))
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", wire)


@pytest.mark.parametrize(
    "text",
    ["Plain words", "Größe: 深度学习 und mehr", "مرحبا بالعالم", "a" * 100, "=?utf-8?q?faked?=", "👨‍👩‍👧 family"],
)
def test_it_keeps_a_subject_word_for_word(text: str) -> None:
    assert subject(mime.subject_field(text)) == text


def test_it_makes_one_line_of_a_subject_with_line_breaks() -> None:
    assert mime.subject_field("A title\r\nBcc: bob@example.com") == b"Subject: A title Bcc: bob@example.com\r\n"


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@ex ample.com",
        "ann\r@example.com",
        "a,b@example.com",
        "ann@example.com>",
        "ann@b@c",
    ],
)
def test_it_refuses_what_is_no_address(to: str) -> None:
    with pytest.raises(HeaderError):
        mime.personal_fields(to, "<a.b@example.org>", AT)


@pytest.mark.parametrize("message_id", ["a@b", "<a>", "<a@b>\r\nBcc: x", "<a b@c>", ""])
def test_it_refuses_what_is_no_message_id(message_id: str) -> None:
    with pytest.raises(HeaderError):
        mime.personal_fields("ann@example.com", message_id, AT)


@pytest.mark.parametrize(
    ("url", "token", "address"),
    [
        ("", b"x", b"u@example.org"),
        ("ftp://example.org", b"x", b"u@example.org"),
        ("https://example.org/\r\nBcc: x", b"x", b"u@example.org"),
        ("https://example.org/>", b"x", b"u@example.org"),
        ("javascript:x", b"x", b"u@example.org"),
        ("https://exämple.org/", b"x", b"u@example.org"),
        ("https://example.org", b"x\r\nBcc: x", b"u@example.org"),
        ("https://example.org", b"x", b"u@example.org>\r\nBcc: x"),
    ],
)
def test_it_refuses_an_unsubscribe_link_that_would_not_work(url: str, token: bytes, address: bytes) -> None:
    with pytest.raises(HeaderError):
        mime.unsubscribe_fields(replace(SENDER, public_url=url), token, address)


def test_it_never_folds_or_encodes_a_link_however_long_it_is() -> None:
    sender = replace(SENDER, public_url="https://a-rather-long-host-name.example.org")
    url = b"https://a-rather-long-host-name.example.org/u/" + b"x" * 60
    fields = mime.unsubscribe_fields(sender, b"x" * 60, b"u@example.org")
    assert b"<%b>,\r\n <mailto:u@example.org>" % url in fields
    assert b"<%b>\r\n" % url in mime.unsubscribe_fields(sender, b"x" * 60, b"")


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001
def test_it_dates_as_mail_programs_read_it(at: datetime) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    value = (
        mime.personal_fields("ann@example.com", "<a.b@c.org>", at.replace(tzinfo=zone))
        .decode()
        .split("Date: ")[1]
        .strip()
    )
    assert value.endswith(" +0000")
    assert parsedate_to_datetime(value) == at.replace(tzinfo=zone, microsecond=0)


@pytest.mark.parametrize(
    ("given_value", "wire"),
    [
        ("digest@example.org", b"digest@example.org"),
        ("Digest <digest@example.org>", b"Digest <digest@example.org>"),
        ('"Digest, Daily" <digest@example.org>', b'"Digest, Daily" <digest@example.org>'),
        ("Übersicht <digest@example.org>", b"=?utf-8?b?w5xiZXJzaWNodA==?= <digest@example.org>"),
    ],
)
def test_it_writes_a_mailbox_as_its_name_needs(given_value: str, wire: bytes) -> None:
    assert mime.mailbox("From", given_value) == wire


@pytest.mark.parametrize(
    "list_id", ["digest", "", "a b.example.org", "digest.example.org\r\nBcc: x", "a." * 128 + "org"]
)
def test_it_refuses_a_list_id_without_label_and_domain(list_id: str) -> None:
    with pytest.raises(HeaderError):
        mime.list_fields(replace(SENDER, list_id=list_id))


@pytest.mark.parametrize("list_id", ["d.e", "digest.example.org", "a-very-long-label.of-a-long-host.example.org"])
def test_it_names_the_sender_for_feedback_loops_in_5_to_15_letters(list_id: str) -> None:
    fields = (
        mime.feedback_field(replace(SENDER, list_id=list_id), "daily", "20260609", "en").decode().strip().split(":")
    )
    assert len(fields) == 5
    assert 5 <= len(fields[-1]) <= 15
