"""Replies as servers write them, and what each means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.outcomes import Against, Outcome, Phase, Verdict, judge, no_reply, parse_reply

READER, MESSAGE, SITE, MOMENT = Against.READER, Against.MESSAGE, Against.SITE, Against.MOMENT


def outcome(phase: Phase, *lines: str) -> Outcome:
    return judge(phase, parse_reply([line.encode() for line in lines]))


@pytest.mark.parametrize(
    ("phase", "line", "against"),
    [
        # the moment
        (Phase.RCPT, "450 4.2.0 <ann@example.org>: Recipient address rejected: Greylisted", MOMENT),
        (Phase.RCPT, "451 4.7.1 Greylisting in action, please come back later", MOMENT),
        (Phase.RCPT, "450 4.7.1 try again in five minutes", MOMENT),
        (Phase.RCPT, "450", MOMENT),
        (Phase.MAIL, "451 4.3.0 temporary lookup failure", MOMENT),
        (Phase.MAIL, "452 4.3.1 insufficient system storage", MOMENT),
        (Phase.EOD, "421 4.3.2 shutting down", MOMENT),
        (Phase.EOD, "450 4.2.1 the user is receiving mail too quickly", MOMENT),
        (Phase.EOD, "421 4.7.28 unusual rate of mail from your network", MOMENT),
        (Phase.MAIL, "421 4.7.0 [TSS04] deferred due to unexpected volume or user complaints", MOMENT),
        (Phase.EOD, "451 4.7.500 server busy, try again later", MOMENT),
        (Phase.GREETING, "421 4.7.0 too many connections", MOMENT),
        (Phase.RCPT, "452 4.5.3 too many recipients", MOMENT),
        (Phase.EOD, "499 who knows", MOMENT),
        # our site
        (Phase.EOD, "421 4.7.0 this message is suspicious", SITE),
        (Phase.EOD, "421 4.7.26 this mail is unauthenticated", SITE),
        (Phase.EOD, "451 4.7.23 the sending address has no PTR record", SITE),
        (Phase.TLS, "454 TLS not available", SITE),
        (Phase.AUTH, "454 4.7.0 temporary authentication failure", SITE),
        # the reader, softly
        (Phase.RCPT, "452 4.2.2 mailbox full", READER),
    ],
)
def test_it_tries_again_after_a_4xx(phase: Phase, line: str, against: Against) -> None:
    assert (outcome(phase, line).verdict, outcome(phase, line).against) == (Verdict.DEFERRED, against)


@pytest.mark.parametrize(
    ("phase", "line", "against", "is_dead"),
    [
        # the reader: the address is dead
        (Phase.RCPT, "550 5.1.1 no such user", READER, True),
        (Phase.EOD, "550 5.1.1 The account that you tried to reach does not exist", READER, True),
        (Phase.RCPT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound", READER, True),
        (Phase.RCPT, "556 5.1.10 the domain takes no mail", READER, True),
        (Phase.RCPT, "553 5.1.3 bad address", READER, True),
        (Phase.RCPT, "550 #5.1.1 unknown", READER, True),
        (Phase.RCPT, "550 No such user here", READER, True),
        (Phase.RCPT, "550 5.5.0 Requested action not taken: mailbox unavailable", READER, True),
        (Phase.EOD, "554 delivery error: dd This user doesn't have a yahoo.com account", READER, True),
        (Phase.RCPT, "550 <ann@example.org>: User unknown in virtual mailbox table", READER, True),
        (Phase.RCPT, "551 user not local", READER, True),
        # the reader, softly
        (Phase.RCPT, "550 5.2.1 the mailbox is disabled", READER, False),
        (Phase.RCPT, "552 5.2.2 over quota", READER, False),
        (Phase.RCPT, "552 mailbox full", READER, False),
        (Phase.EOD, "554 5.2.2 mailbox full", READER, False),
        (Phase.RCPT, "550 5.4.1 Recipient address rejected: Access denied", READER, False),
        (Phase.RCPT, "550 5.4.4 unable to route", READER, False),
        (Phase.RCPT, "550 no", READER, False),
        # this mail
        (Phase.EOD, "552 5.3.4 message too big", MESSAGE, False),
        (Phase.MAIL, "552 5.3.4 message size exceeds fixed limit", MESSAGE, False),
        (Phase.MAIL, "552 too long", MESSAGE, False),
        (Phase.EOD, "552-5.7.0 This message was blocked because of its content", MESSAGE, False),
        (Phase.EOD, "550 5.6.11 bare line feed", MESSAGE, False),
        (Phase.RCPT, "553 5.6.7 SMTPUTF8 needed", MESSAGE, False),
        (Phase.MAIL, "555 5.5.4 SMTPUTF8 not supported", MESSAGE, False),
        (Phase.EOD, "554 transaction failed", MESSAGE, False),
        (Phase.RCPT, "501 5.5.4 syntax", MESSAGE, False),
        (Phase.RCPT, "550 5.2.3 longer than the mailbox takes", MESSAGE, False),
        # our site
        (Phase.EOD, "550 5.7.26 This mail has been blocked because the sender is unauthenticated", SITE, False),
        (Phase.EOD, "550 5.7.515 Access denied, sending domain does not meet the required level", SITE, False),
        (Phase.MAIL, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent (S3140)", SITE, False),
        (Phase.RCPT, "550 5.7.606 Access denied, banned sending IP", SITE, False),
        (Phase.RCPT, "554 5.7.1 relay access denied", SITE, False),
        (Phase.RCPT, "550 SC-001 Unfortunately, messages from 192.0.2.1 weren't sent, block list", SITE, False),
        (Phase.RCPT, "550 blocked by our reputation service, user unknown to you", SITE, False),
        (Phase.EOD, "554 5.7.1 content refused", SITE, False),
        (Phase.EOD, "554 Message not allowed - [PH01] Email not accepted for policy reasons", SITE, False),
        (Phase.MAIL, "530 5.7.0 must issue STARTTLS first", SITE, False),
        (Phase.MAIL, "530 authentication required", SITE, False),
        (Phase.MAIL, "550 5.1.8 sender domain not found", SITE, False),
        (Phase.MAIL, "550 5.1.1 we do not know this sender", SITE, False),
        (Phase.MAIL, "553 sorry, your envelope sender is not valid", SITE, False),
        (Phase.GREETING, "554 no SMTP service here", SITE, False),
        (Phase.GREETING, "521 does not accept mail", SITE, False),
        (Phase.AUTH, "535 5.7.8 authentication failed", SITE, False),
    ],
)
def test_it_takes_a_5xx_for_refused(phase: Phase, line: str, against: Against, is_dead: bool) -> None:
    seen = outcome(phase, line)
    assert (seen.verdict, seen.against, seen.is_address_dead) == (Verdict.REFUSED, against, is_dead)
    assert not seen.asks_to_slow_down


@pytest.mark.parametrize(
    "line",
    [
        "421 later",
        "451 4.7.28 rate limit",
        "450 4.2.1 receiving mail at a rate that prevents",
        "451 4.7.650 has been temporarily rate limited",
        "421 RP-001 too many messages",
        "452 4.3.1 Server busy",
    ],
)
def test_it_hears_that_it_should_slow_down(line: str) -> None:
    assert outcome(Phase.MAIL, line).asks_to_slow_down
    assert not outcome(Phase.MAIL, "451 4.3.0 lookup failed").asks_to_slow_down


@pytest.mark.parametrize("line", ["250 2.0.0 Ok: queued as 4F1", "250", "250 ", "251 will forward", "200 fine", "250-"])
def test_it_takes_a_2xx_behind_the_dot_for_submitted(line: str) -> None:
    assert outcome(Phase.EOD, line).verdict is Verdict.SUBMITTED


def test_it_takes_a_2xx_elsewhere_for_nothing_delivered() -> None:
    assert outcome(Phase.DATA, "250 ok").verdict is Verdict.DEFERRED


@pytest.mark.parametrize("line", ["", "what?", "999 x", "2500 ok", "354 more", "\xff\xfe", "25", "-50 no"])
def test_it_is_in_doubt_after_what_is_no_reply_behind_the_dot(line: str) -> None:
    assert outcome(Phase.EOD, line).verdict is Verdict.UNCERTAIN


def test_it_is_in_doubt_after_silence_only_behind_the_dot() -> None:
    assert no_reply(Phase.EOD, "reset").verdict is Verdict.UNCERTAIN
    for phase in set(Phase) - {Phase.EOD}:
        assert no_reply(phase, "reset").verdict is Verdict.DEFERRED
    assert no_reply(Phase.TLS, "bad certificate").against is SITE
    assert no_reply(Phase.CONNECT, "refused").against is MOMENT


def test_it_reads_all_lines_of_a_reply() -> None:
    reply = parse_reply([b"550-5.1.1 The account\r", b"550-5.1.1 does not\r", b"550 5.1.1 exist. gsmtp\r"])
    assert (reply.code, reply.status, reply.text) == (550, "5.1.1", "The account does not exist. gsmtp")
    late = parse_reply([b"550-Sorry,", b"550 5.7.26 unauthenticated"])
    assert (late.code, late.status, late.text) == (550, "5.7.26", "Sorry, unauthenticated")


def test_it_takes_no_ip_address_for_a_status() -> None:
    assert parse_reply([b"550 5.1.1.1 is blocked"]).status is None


def test_it_keeps_no_address_and_no_control_character() -> None:
    reply = parse_reply([b"550 5.1.1 <ann.b+c@example.org>\x1b[31m \x00ann@example.org: caf\xe9 \xc3\xa9"])
    assert reply.text == "<…@example.org> [31m …@example.org: caf� é"


@given(st.lists(st.binary(max_size=3000), max_size=5), st.sampled_from(Phase))
def test_it_reads_anything(lines: list[bytes], phase: Phase) -> None:
    seen = judge(phase, parse_reply(lines))
    assert len(seen.text) <= 200
    assert "\n" not in seen.text
    assert (seen.verdict is Verdict.UNCERTAIN) <= (phase is Phase.EOD)


@given(st.text(max_size=60), st.sampled_from(["5.7.0", "5.7.1", "5.7.26", "5.6.0", "5.3.4", "5.5.1"]))
def test_it_never_counts_policy_content_or_our_mistakes_against_a_reader(words: str, status: str) -> None:
    for phase in (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.EOD):
        assert outcome(phase, f"550 {status} {words}").against is not READER or status == "5.5.1"
