"""Returned mail is read rightly, whoever wrote it and in whatever state it arrives."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from digest.delivery.bounces import Bounce, Kind, parse
from digest.delivery.bounces.verdict import call_recipient, judge, quoted_reply, status_of
from tests.conftest import shared_dir

RETURNED = Path(__file__).parent / "returned"
FORMS = sorted(RETURNED.glob("*.eml"))


def report(
    *fields: str, words: str = "Your mail could not be delivered.", sender: str = "MAILER-DAEMON@mx.example"
) -> bytes:
    """A delivery report on a digest with one block of fields per recipient."""
    blocks = "\n\n".join(fields)
    return (
        f"Return-Path: <>\nX-Original-To: b+signed@papers.example\nDelivered-To: vmail@host.example\nFrom: {sender}\n"
        "To: b+signed@papers.example\nSubject: Undelivered mail\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=line\n\n"
        f"--line\nContent-Type: text/plain\n\n{words}\n\n"
        f"--line\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{blocks}\n\n"
        "--line\nContent-Type: message/rfc822\n\nReturn-Path: <b+signed@papers.example>\nFrom: digest@papers.example\n"
        "To: ann@example.com\nMessage-ID: <one@papers.example>\nSubject: Papers\n\nHello.\n--line--\n"
    ).encode()


def failed(address: str, status: str, said: str, action: str = "failed") -> str:
    return f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {said}"


def verdicts(bounces: list[Bounce]) -> list[tuple[str, str | None]]:
    return [(str(bounce.kind), bounce.recipient) for bounce in bounces]


def verdict_on(reply: str) -> Kind:
    reply = call_recipient(reply, "ann@example.com")
    code = status_of("", reply)
    return judge(code, quoted_reply(reply)) or judge(code, reply) or judge(code, "") or Kind.SOFT


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_it_reads_the_free_forms_of_single_servers(path: Path) -> None:
    line, _, raw = path.read_bytes().partition(b"\n")
    told = line.decode().removeprefix("X-Expected: ")
    expected = [] if told == "nothing" else [tuple(one.split(" ")) for one in told.split(", ")]
    assert verdicts(parse(raw)) == expected
    assert verdicts(parse(raw.replace(b"\n", b"\r\n"))) == expected


@pytest.mark.parametrize("reply", (RETURNED / "replies_gone.txt").read_text().splitlines())
def test_it_knows_when_an_address_is_gone(reply: str) -> None:
    assert verdict_on(reply) is Kind.HARD


@pytest.mark.parametrize("reply", (RETURNED / "replies_not_gone.txt").read_text().splitlines())
def test_it_knows_when_an_address_is_not_to_blame(reply: str) -> None:
    assert verdict_on(reply) is Kind.SOFT


def test_it_tells_who_failed_and_where_to_look_the_reader_up() -> None:
    [bounce] = parse(report(failed("ann@example.com", "5.1.1", "550 5.1.1 no such user")))
    assert bounce == Bounce(
        kind=Kind.HARD,
        recipient="ann@example.com",
        status="5.1.1",
        reason="550 5.1.1 no such user",
        to=("b+signed@papers.example", "vmail@host.example"),
        return_path="b+signed@papers.example",
        original_message_id="<one@papers.example>",
    )


def test_it_judges_each_recipient_alone() -> None:
    rows = (
        failed("ann@example.com", "5.1.1", "550 no such user"),
        failed("bob@example.com", "2.1.5", "250 ok", action="delivered"),
        failed("cleo@example.com", "5.2.2", "552 mailbox full"),
    )
    assert verdicts(parse(report(*rows))) == [("hard", "ann@example.com"), ("soft", "cleo@example.com")]


def test_it_names_the_address_that_was_written_to_and_not_where_it_was_forwarded() -> None:
    row = "Original-Recipient: rfc822;ann@example.com\n" + failed("secret@else.example", "5.1.1", "550 unknown user")
    assert verdicts(parse(report(row))) == [("hard", "ann@example.com")]


def test_it_takes_words_about_the_sender_for_no_word_about_the_reader() -> None:
    row = failed("ann@example.com", "5.1.8", "553 5.1.8 <b@papers.example>... Domain of sender address does not exist")
    assert verdicts(parse(report(row))) == [("soft", "ann@example.com")]


def test_it_is_not_fooled_by_an_address_that_reads_like_a_verdict() -> None:
    row = failed(
        "user-unknown@example.com", "5.0.0", "550 user-unknown@example.com: see https://x.example/no-such-user"
    )
    assert verdicts(parse(report(row))) == [("soft", "user-unknown@example.com")]


def test_it_reads_the_address_that_was_written_to_as_the_one_that_is_missing() -> None:
    row = failed("ann@example.com", "5.0.0", "553 <ann@example.com> isn't here")
    assert verdicts(parse(report(row))) == [("hard", "ann@example.com")]
    row = failed("ann@example.com", "5.0.0", "553 <b+signed@papers.example> isn't here")
    assert verdicts(parse(report(row))) == [("soft", "ann@example.com")]


def letter(body: str, media_type: str = "text/plain") -> bytes:
    """A mail of a daemon that says all in its own words."""
    return (
        "From: MAILER-DAEMON@mx.example\nTo: b+signed@papers.example\nSubject: Re\n"
        f"Content-Type: {media_type}; charset=utf-8\n\n{body}\n"
    ).encode()


def test_it_takes_an_address_and_where_it_was_expanded_from_for_one() -> None:
    body = "Delivery failed:\n\n<ann@else.example> (expanded from\n    <ann@example.com>): no such user"
    assert verdicts(parse(letter(body))) == [("hard", "ann@else.example")]


def test_it_calls_the_word_of_a_daemon_in_an_unknown_language_soft() -> None:
    assert verdicts(parse(letter("Barua pepe haikufika:\n\nann@example.com"))) == [("soft", "ann@example.com")]
    assert parse(letter("ann@example.com: delivered to mailbox")) == []


def test_it_does_not_read_what_html_does_not_show() -> None:
    body = "<style>\nhidden@else.example: no such user\n</style><p>Delivery failed:</p><p>ann@example.com: mailbox full</p>"
    assert verdicts(parse(letter(body, "text/html"))) == [("soft", "ann@example.com")]


def test_it_calls_a_late_mail_soft_whatever_is_said() -> None:
    row = failed("ann@example.com", "5.1.1", "550 user unknown", action="delayed")
    assert verdicts(parse(report(row))) == [("soft", "ann@example.com")]


def test_it_reads_what_was_said_where_the_fields_say_nothing() -> None:
    row = "Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 5.0.0"
    [bounce] = parse(report(row, words="Errors:\n\nann@example.com: 550 5.1.1 <ann@example.com>: User unknown"))
    assert (bounce.kind, bounce.status) == (Kind.HARD, "5.1.1")


def test_it_takes_a_report_of_success_for_no_bounce() -> None:
    assert parse(report(failed("ann@example.com", "2.1.5", "250 ok", action="delivered"))) == []


def test_it_takes_a_report_that_a_person_forwards_for_no_bounce() -> None:
    raw = report(failed("ann@example.com", "5.1.1", "550 no such user"), sender="Bob <bob@example.net>")
    assert parse(raw.replace(b"Subject: Undelivered", b"Subject: Fwd: Undelivered")) == []


@pytest.mark.parametrize(("kind", "expected"), [
    ("abuse", [("complaint", "ann@example.com")]),
    ("fraud", [("complaint", "ann@example.com")]),
    ("opt-out", [("complaint", "ann@example.com")]),
    ("not-spam", []),
    ("auth-failure", []),
    ("not-sp", []),
    ("auth-f\xa1ilure", []),
    ("\n--line\n", []),
])  # fmt: skip
def test_it_knows_a_complaint_from_other_feedback(kind: str, expected: list[tuple[str, str]]) -> None:
    raw = (
        "From: fbl@provider.example\nTo: abuse@papers.example\nSubject: FW: Papers\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=line\n\n"
        f"--line\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\n\n"
        "--line\nContent-Type: message/rfc822\n\nTo: ann@example.com\nSubject: Papers\n\nHello.\n--line--\n"
    )
    assert verdicts(parse(raw.encode())) == expected


def test_it_reads_at_most_two_hundred_recipients() -> None:
    rows = (failed(f"reader{number}@example.com", "5.1.1", "550 no such user") for number in range(10_000))
    assert len(parse(report(*rows))) == 200


def test_it_keeps_the_reason_short_and_on_one_line() -> None:
    [bounce] = parse(report(failed("ann@example.com", "5.1.1", "550 no such user\n " + "\n x" * 3000)))
    assert len(bounce.reason) <= 200
    assert "\n" not in bounce.reason


HEAD = b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n"
HOSTILE = {
    "nothing": b"",
    "zeros": b"\0" * 300_000,
    "empty lines": HEAD + b"\nfailed\n" + b"\n" * 1_000_000,
    "dashes": HEAD + b"\nfailed\n" + b"- - - \n" * 100_000,
    "at signs": HEAD + b"\nfailed " + b"a@" * 500_000,
    "addresses": HEAD + b"\nfailed\nann@example.com: 550 user <" + b"a@b> <" * 100_000,
    "words": HEAD + b"\nfailed\nann@example.com: 550 " + b"user no local sender " * 50_000,
    "nested parts": HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (i, i) for i in range(9000)),
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
    "open tags": HEAD + b"Content-Type: text/html\n\nfailed\n" + b"<br " * 200_000,
    "slow charset": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * 400_000,
    "unknown charset": HEAD + b"Content-Type: text/plain; charset=base64\n\nfailed \xff\xfe",
    "broken word": b"From: =?utf-8?B?A?=\nSubject: =?x?Q?=zz?=\n\nfailed",
    "nested mails": HEAD + b"Content-Type: message/rfc822\n\n" * 5000,
    "words of verdicts": HEAD + b"\nfailed\n<ann@example.com>: 550 " + b"user is not a.b no or the that host does not " * 9000,
    "clauses": HEAD + b"\nfailed\n<ann@example.com>: 550 user" + b";" * 300_000,
    "hidden styles": HEAD + b"Content-Type: text/html\n\nfailed <style>" + b"<style " * 100_000,
    "entities": HEAD + b"Content-Type: text/html\n\nfailed " + b"&#64;&#99999999999;&#xffffff;" * 20_000,
    "escaped letters": report(failed(r"\x{41}" * 20_000 + r"\x{fffff}@example.com", "5.1.1", "550 no such user")),
    "five megabytes": report(failed("ann@example.com", "5.1.1", "550 no such user")) + b"attached file\n" * 380_000,
}  # fmt: skip


def test_it_makes_no_broken_text_of_escaped_letters() -> None:
    [bounce] = parse(report(failed(r"a\x{d800}\x{00}@example.com", "5.1.1", "550 no such user")))
    assert bounce.recipient == r"a\x{d800}\x{00}@example.com"


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_reads_hostile_mail_without_harm(raw: bytes) -> None:
    assert len(parse(raw)) <= 2


@pytest.mark.parametrize("seed", range(40))
def test_it_never_fails_on_damaged_copies(seed: int) -> None:
    chance = random.Random(seed)
    raw = bytearray(chance.choice(FORMS).read_bytes() if seed % 2 else report(failed("a@b.example", "5.1.1", "550 x")))
    for _ in range(len(raw) // 40):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    lines = bytes(raw).split(b"\n")
    chance.shuffle(lines)
    for damaged in (bytes(raw), bytes(raw[: chance.randrange(len(raw))]), b"\n".join(lines)):
        assert all(isinstance(bounce, Bounce) for bounce in parse(damaged))


def test_it_reads_the_recorded_examples() -> None:
    folder = shared_dir("bounces")
    cases = [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]
    found = wanted = dangerous = 0
    for case in cases:
        told = {
            (bounce.recipient or "").lower(): str(bounce.kind) for bounce in parse((folder / case["file"]).read_bytes())
        }
        rows = [row for row in case["rows"] if row["recipient"]]
        for row in rows:
            names = [address.lower() for address in (row["recipient"], *(row.get("accept") or []))]
            kind = next((told[name] for name in names if name in told), None)
            right = row.get("accept_kinds", [row["kind"]])
            wanted += 1
            found += kind in right
            dangerous += kind in ("hard", "complaint") and kind not in right
        dangerous += not case["rows"] and bool({"hard", "complaint"} & set(told.values()))
    assert found >= 0.98 * wanted
    assert dangerous == 0
