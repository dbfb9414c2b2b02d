"""One connection against a server that behaves well, oddly, or badly."""

from __future__ import annotations

import traceback
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, SOCK_STREAM
from time import monotonic

import pytest

from digest.delivery.outcomes import Against, Outcome, Phase, Verdict
from digest.delivery.smtp import Connection, Envelope, Security, Server, Unreachable, diagnose, wire
from digest.delivery.smtp.connection import BeforeDot, always, at_once
from digest.delivery.smtp.loop import alone
from digest.delivery.smtp.wire import Wire
from tests.conftest import free_port
from tests.integration.delivery.fake_server import (
    CLOSE,
    DRIP,
    NO_PIPELINING,
    RESET,
    SILENCE,
    FakeServer,
    certificate,
    fake_server,
)

BODY = b"Subject: papers\r\n\r\nOne.\r\n"
MAIL = Envelope(7, "bounce@digest.example", "ann@example.org", BODY)


def at(fake: FakeServer, **changes: object) -> Server:
    quick = Server(
        "127.0.0.1",
        fake.port,
        Security.NONE,
        hello="digest.example",
        command_timeout_s=5,
        data_timeout_s=5,
        eod_timeout_s=5,
    )
    return replace(quick, **changes)  # type: ignore[arg-type]


class Talk:
    """A connection that does one thing at a time; each call returns when it is done."""

    def __init__(self, server: Server) -> None:
        self._connection = alone(Connection.open(server))

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        alone(self._connection.close())

    @property
    def is_open(self) -> bool:
        return self._connection.is_open

    def send(
        self,
        envelope: Envelope,
        still_wanted: Callable[[int], bool] = always,
        before_dot: BeforeDot = at_once,
    ) -> Outcome:
        return alone(self._connection.send(envelope, still_wanted, before_dot))


def test_it_hands_over_a_mail_and_says_goodbye() -> None:
    with fake_server() as fake, Talk(at(fake)) as connection:
        outcome = connection.send(MAIL)
    assert (outcome.verdict, outcome.code) == (Verdict.SUBMITTED, 250)
    assert fake.mails == [BODY]
    assert fake.heard == [
        [
            "EHLO digest.example",
            f"MAIL FROM:<bounce@digest.example> SIZE={len(BODY)}",
            "RCPT TO:<ann@example.org>",
            "DATA",
            "QUIT",
        ]
    ]


def test_it_keeps_a_connection_for_many_mails() -> None:
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert [connection.send(MAIL._replace(id=n)).verdict for n in range(5)] == [Verdict.SUBMITTED] * 5
        assert len(fake.mails) == 5
        assert len(fake.heard) == 1


def test_it_says_one_command_at_a_time_where_pipelining_is_not_offered() -> None:
    with fake_server(EHLO=NO_PIPELINING, RCPT="550 5.1.1 no") as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).is_address_dead
        assert fake.heard[0][1:] == ["MAIL FROM:<bounce@digest.example>", "RCPT TO:<ann@example.org>", "RSET"]


def test_it_falls_back_to_helo() -> None:
    with fake_server(EHLO="502 what?") as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED
        assert fake.heard[0][:2] == ["EHLO digest.example", "HELO digest.example"]


def test_it_doubles_the_dot_that_starts_a_line() -> None:
    data = b".one\r\n..two\r\nthree.\r\n.\r\nfour\n.\nfive\r\n.\r\n"
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL._replace(data=data)).verdict is Verdict.SUBMITTED
        assert fake.mails == [b"..one\r\n...two\r\nthree.\r\n..\r\nfour\n..\nfive\r\n..\r\n"]
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED


def test_it_doubles_a_dot_that_is_the_first_byte() -> None:
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL._replace(data=b".\r\n")).verdict is Verdict.SUBMITTED
        assert fake.mails == [b"..\r\n"]


def test_it_ends_a_mail_without_a_last_line_end() -> None:
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL._replace(data=b"a: b\r\n\r\nno end")).verdict is Verdict.SUBMITTED
        assert fake.mails == [b"a: b\r\n\r\nno end\r\n"]


def test_it_goes_on_after_a_refused_recipient() -> None:
    with (
        fake_server(RCPT=["550 5.1.1 <ann@example.org> no such user", "250 ok"], DATA=["503 no", "354 go"]) as fake,
        Talk(at(fake)) as connection,
    ):
        outcome = connection.send(MAIL)
        assert (outcome.verdict, outcome.against, outcome.phase) == (Verdict.REFUSED, Against.READER, Phase.RCPT)
        assert "ann" not in outcome.text
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED
    assert "RSET" in fake.heard[0]


def test_it_sends_a_lone_dot_to_a_server_that_wants_the_mail_of_a_refused_recipient() -> None:
    with (
        fake_server(RCPT=["550 5.1.1 no", "250 ok"], dot=["554 nobody to send to", "250 ok"]) as fake,
        Talk(at(fake)) as connection,
    ):
        assert connection.send(MAIL).phase is Phase.RCPT
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED
    assert fake.mails == [b"", BODY]


def test_it_leaves_a_server_that_is_silent_about_the_mail_of_a_refused_recipient() -> None:
    with (
        fake_server(RCPT="550 5.1.1 no", dot=SILENCE) as fake,
        Talk(at(fake, eod_timeout_s=0.3)) as connection,
    ):
        assert connection.send(MAIL).phase is Phase.RCPT
        assert not connection.is_open


@pytest.mark.parametrize(
    ("early", "verdict"), [("250 2.0.0 queued", Verdict.DEFERRED), ("552 5.3.4 too big", Verdict.REFUSED)]
)
def test_it_takes_nothing_said_before_the_dot_for_the_answer_to_it(early: str, verdict: Verdict) -> None:
    with fake_server(DATA=f"354 go on\r\n{early}") as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).verdict is verdict
        assert not connection.is_open


def test_it_leaves_a_server_that_refused_the_sender_and_wants_the_mail() -> None:
    with fake_server(MAIL="550 5.7.1 not you") as fake, Talk(at(fake)) as connection:
        outcome = connection.send(MAIL)
        assert (outcome.verdict, outcome.against) == (Verdict.REFUSED, Against.SITE)
        assert not connection.is_open
    assert fake.mails == []


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [CLOSE, RESET, SILENCE, DRIP, "421 4.3.2 going down", "rubbish", "250 " + "x" * 9000])
def test_it_defers_a_fault_before_the_dot(verb: str, fault: str) -> None:
    patience = 1.0 if fault in (SILENCE, DRIP) else 5.0  # greetings must be through by then on a busy machine too
    with (
        fake_server(None, False, **{verb: fault}) as fake,
        Talk(at(fake, command_timeout_s=patience)) as connection,
    ):
        outcome = connection.send(MAIL)
        assert (outcome.verdict, outcome.against) == (Verdict.DEFERRED, Against.MOMENT)
        assert not connection.is_open


@pytest.mark.parametrize(("verb", "phase"), [("MAIL", Phase.MAIL), ("RCPT", Phase.RCPT), ("DATA", Phase.DATA)])
@pytest.mark.parametrize("ehlo", ["", NO_PIPELINING])
def test_it_says_in_which_phase_a_connection_was_lost(ehlo: str, verb: str, phase: Phase) -> None:
    with fake_server(**({"EHLO": ehlo} if ehlo else {}), **{verb: CLOSE}) as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).phase is phase


def test_it_counts_a_connection_lost_in_mid_mail_against_the_data() -> None:
    with (
        fake_server(EHLO="250-here\r\n250 PIPELINING", DATA=f"354 go on\r\n{CLOSE}") as fake,
        Talk(at(fake)) as connection,
    ):
        outcome = connection.send(MAIL._replace(data=BODY * 1_000_000))
    assert (outcome.verdict, outcome.phase) == (Verdict.DEFERRED, Phase.DATA)


def test_it_reads_replies_that_come_one_by_one_or_have_several_lines() -> None:
    with fake_server(MAIL="250-so\r\n250-far\r\n250 good", RCPT="251 passed on") as fake, Talk(at(fake)) as connection:
        assert [connection.send(MAIL).verdict for _ in range(2)] == [Verdict.SUBMITTED] * 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_it_takes_no_other_yes_for_the_answer_to_a_command(verb: str) -> None:
    with fake_server(**{verb: "220 mail.example.org ready"}) as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).verdict is Verdict.DEFERRED
        assert not connection.is_open
    assert fake.mails == []


@pytest.mark.parametrize(
    "fault",
    [
        CLOSE,
        RESET,
        SILENCE,
        DRIP,
        "rubbish",
        "354 more?",
        "250-x\r\n" * 300 + "250 x",
        "250 " + "x" * 9000,
        "250-x\r\n550 y",
    ],
)
def test_it_calls_a_fault_after_the_dot_uncertain(fault: str) -> None:
    with fake_server(dot=fault) as fake, Talk(at(fake, eod_timeout_s=0.3)) as connection:
        outcome = connection.send(MAIL)
        assert (outcome.verdict, outcome.phase) == (Verdict.UNCERTAIN, Phase.EOD)
        assert not connection.is_open


@pytest.mark.parametrize(
    ("said", "verdict", "against"),
    [
        ("251 2.1.5 passed on", Verdict.SUBMITTED, Against.NOBODY),
        ("250-2.0.0 queued\r\n250 thank you", Verdict.SUBMITTED, Against.NOBODY),
        ("451 4.3.0 later", Verdict.DEFERRED, Against.MOMENT),
        ("421 4.3.2 bye", Verdict.DEFERRED, Against.MOMENT),
        ("552 5.3.4 too big", Verdict.REFUSED, Against.MESSAGE),
        ("550-5.7.26 this mail is\r\n550 5.7.26 unauthenticated", Verdict.REFUSED, Against.SITE),
    ],
)
def test_it_knows_what_the_last_reply_means(said: str, verdict: Verdict, against: Against) -> None:
    with fake_server(dot=said) as fake, Talk(at(fake)) as connection:
        outcome = connection.send(MAIL)
        assert (outcome.verdict, outcome.against, outcome.code) == (verdict, against, int(said[:3]))
        assert connection.is_open is not said.startswith("421")


def test_it_lets_a_refusal_stand_when_the_server_hangs_up_behind_it() -> None:
    with fake_server(RCPT="550 5.1.1 no", DATA=CLOSE) as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).verdict is Verdict.REFUSED


@pytest.mark.parametrize("more", ["421 enough", "250 and again"])
def test_it_notices_a_server_that_speaks_out_of_turn(more: str) -> None:
    with fake_server(dot=f"250 ok\r\n{more}") as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED
        assert connection.send(MAIL).verdict is Verdict.DEFERRED
    assert len(fake.mails) == 1
    assert fake.heard[0].count("DATA") == 1  # nothing of the second was said


def test_it_does_not_try_a_mail_that_is_too_big() -> None:
    with fake_server(EHLO="250-x\r\n250 SIZE 10") as fake, Talk(at(fake)) as connection:
        outcome = connection.send(MAIL)
        assert (outcome.verdict, outcome.against, outcome.code) == (Verdict.REFUSED, Against.MESSAGE, 552)
    assert fake.heard[0][1:] == ["QUIT"]


def test_it_takes_size_zero_for_no_limit() -> None:
    with fake_server(EHLO="250-x\r\n250 SIZE 0") as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED


def test_it_writes_a_foreign_domain_in_ascii() -> None:
    with fake_server(EHLO=NO_PIPELINING) as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL._replace(rcpt_to="bob@bücher.example")).verdict is Verdict.SUBMITTED
    assert "RCPT TO:<bob@xn--bcher-kva.example>" in fake.heard[0]


def test_it_needs_smtputf8_for_a_foreign_local_part() -> None:
    foreign = MAIL._replace(rcpt_to="zoë@bücher.example")
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert connection.send(foreign).verdict is Verdict.SUBMITTED
        assert fake.heard[0][1].endswith(" SMTPUTF8")
        assert fake.heard[0][2] == "RCPT TO:<zoë@xn--bcher-kva.example>"
    with fake_server(EHLO=NO_PIPELINING) as fake, Talk(at(fake)) as connection:
        outcome = connection.send(foreign)
        assert (outcome.verdict, outcome.against) == (Verdict.REFUSED, Against.MESSAGE)
        assert "cannot take" in outcome.text


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org> NOTIFY=NEVER",
        "ann@example.org\r\nRCPT TO:<bob@example.org>",
        "ann@exa\nmple.org",
        "ann",
        "@example.org",
        "ann@",
        "ann bob@example.org",
        "<ann@example.org>",
        "ann@example.org\0",
        '"a\r\nb"@example.org',
        "ann@[127.0.0.1]>",
        "ann@" + "ü" * 300 + ".example",
    ],
)
def test_it_never_makes_an_address_a_command(address: str) -> None:
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL._replace(rcpt_to=address)).verdict is Verdict.REFUSED
    assert fake.heard[0][1:] == ["QUIT"]


@pytest.mark.parametrize(
    "address", ['"a b"@example.org', "ann+x'y@example.org", "ann@[192.0.2.1]", "o'neil@example.org"]
)
def test_it_sends_to_odd_but_valid_addresses(address: str) -> None:
    with fake_server() as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL._replace(rcpt_to=address)).verdict is Verdict.SUBMITTED
    assert f"RCPT TO:<{address}>" in fake.heard[0]


@pytest.mark.parametrize("ehlo", [NO_PIPELINING, "250-here\r\n250 PIPELINING"])
def test_it_sends_nothing_that_is_no_longer_wanted(ehlo: str) -> None:
    with fake_server(EHLO=ehlo) as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL, lambda number: number != 7).verdict is Verdict.SKIPPED
        assert connection.send(MAIL._replace(id=8), lambda number: number != 7).verdict is Verdict.SUBMITTED
    assert len([line for line in fake.heard[0] if line.startswith("RCPT")]) == 1


def test_it_asks_again_before_data_where_commands_go_one_by_one() -> None:
    answers = [True, True, False]
    with fake_server(EHLO=NO_PIPELINING) as fake, Talk(at(fake)) as connection:
        assert connection.send(MAIL, lambda _: answers.pop(0)).verdict is Verdict.SKIPPED
        assert connection.send(MAIL).verdict is Verdict.SUBMITTED
    assert "RSET" in fake.heard[0]


def test_it_stops_a_mail_when_something_of_ours_goes_wrong_before_the_dot() -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with fake_server() as fake, Talk(at(fake)) as connection:
        with pytest.raises(OSError, match="No space"):
            connection.send(MAIL, before_dot=full)
        assert not connection.is_open
    assert fake.mails == []


@pytest.mark.parametrize("encrypted", [False, True])
def test_it_sends_all_but_the_dot_while_the_dot_must_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    written: list[bytes] = []
    write = Wire.write

    async def noted(self: Wire, *pieces: bytes, timeout_s: float) -> None:
        written.append(b"".join(pieces))
        await write(self, *pieces, timeout_s=timeout_s)

    monkeypatch.setattr(Wire, "write", noted)
    answers = [True, False, False, True]  # a place may be lost again while the body is written

    async def before_dot(_: int) -> bool:
        return answers.pop(0)

    shown, trusted = certificate(tmp_path)
    with fake_server(shown, encrypted) as fake:
        server = at(fake, security=Security.TLS if encrypted else Security.NONE, tls=trusted)
        with Talk(server) as connection:
            for _ in range(2):
                assert connection.send(MAIL, before_dot=before_dot).verdict is Verdict.SUBMITTED
    assert [one for one in written if one.endswith(b".\r\n") and b"MAIL" not in one] == [
        BODY + b".\r\n",
        BODY,
        b".\r\n",
    ]
    assert not answers  # the dot left at the word of the last one
    assert fake.mails == [BODY, BODY]


# -- TLS and login -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_it_encrypts_and_logs_in(tmp_path: Path, security: Security) -> None:
    shown, trusted = certificate(tmp_path)
    with fake_server(shown, security is Security.TLS) as fake:
        server = at(fake, security=security, tls=trusted, user="digest", password="geheim ü")
        with Talk(server) as connection:
            assert connection.send(MAIL).verdict is Verdict.SUBMITTED
    auth = next(line for line in fake.heard[0] if line.startswith("AUTH"))
    assert b64decode(auth.split()[2]).decode() == "\0digest\0geheim ü"
    if security is Security.STARTTLS:
        assert fake.heard[0].index("STARTTLS") < fake.heard[0].index(auth)


def test_it_trusts_no_unknown_certificate_and_no_other_name(tmp_path: Path) -> None:
    shown, _ = certificate(tmp_path)
    for tls in (None, certificate(tmp_path)[1]):
        with fake_server(shown) as fake, pytest.raises(Unreachable) as caught:
            Talk(at(fake, security=Security.STARTTLS, tls=tls))
        assert (caught.value.outcome.phase, caught.value.outcome.against) == (Phase.TLS, Against.SITE)
        assert fake.heard[0][-1] == "STARTTLS"
    shown, trusted = certificate(tmp_path, "elsewhere.example")
    with fake_server(shown) as fake, pytest.raises(Unreachable, match=r"(?i)certificate"):
        Talk(at(fake, security=Security.STARTTLS, tls=trusted))


@pytest.mark.parametrize(
    "replies",
    [
        {"EHLO": NO_PIPELINING},
        {"EHLO": "502 no"},
        {"STARTTLS": "454 4.7.0 not now"},
        {"STARTTLS": "220 go\r\n250 evil"},
    ],
)
def test_it_sends_nothing_in_clear_where_tls_is_asked_for(tmp_path: Path, replies: dict[str, str | list[str]]) -> None:
    shown, trusted = certificate(tmp_path)
    with fake_server(shown, False, **replies) as fake, pytest.raises(Unreachable) as caught:
        Talk(at(fake, security=Security.STARTTLS, tls=trusted, user="digest", password="geheim"))
    assert ("STARTTLS" in fake.heard[0]) is ("STARTTLS" in replies)
    assert (caught.value.outcome.phase, caught.value.outcome.against) == (Phase.TLS, Against.SITE)
    assert not any(line.startswith(("AUTH", "MAIL")) for line in fake.heard[0])


def test_it_sends_no_password_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "is_private", False)  # as it is for any server that is not on loopback
    with fake_server() as fake, pytest.raises(Unreachable, match="without TLS") as caught:
        Talk(at(fake, user="digest", password="geheim"))
    assert caught.value.outcome.against is Against.SITE
    assert len(fake.heard[0]) == 1


def test_it_logs_in_step_by_step_where_only_login_is_offered() -> None:
    steps = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 welcome"]
    with (
        fake_server(EHLO="250-x\r\n250 AUTH=LOGIN", AUTH=steps) as fake,
        Talk(at(fake, user="digest", password="geheim")),
    ):
        pass
    assert [b64decode(line) for line in fake.heard[0][2:4]] == [b"digest", b"geheim"]


def test_it_never_shows_the_password() -> None:
    with fake_server(AUTH=["535 5.7.8 no", CLOSE]) as fake:
        server = at(fake, user="digest", password="geheim")
        assert "geheim" not in repr(server)
        for _ in range(2):
            with pytest.raises(Unreachable) as caught:
                Talk(server)
            shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            assert "geheim" not in "".join(shown.format())
            assert "Z2VoZWlt" not in "".join(shown.format())  # the same in base64
            assert caught.value.outcome.against is Against.SITE


# -- what an operator asks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "changes", "failed"),
    [
        ({}, {}, None),
        ({}, {"host": "no-such-host.invalid"}, "DNS"),
        ({"greeting": "554 no"}, {}, "connection"),
        ({"greeting": CLOSE}, {}, "connection"),
        ({"EHLO": NO_PIPELINING}, {"security": Security.STARTTLS}, "TLS"),
        ({"AUTH": "535 5.7.8 wrong"}, {"user": "digest"}, "login"),
        ({"MAIL": "550 5.7.1 not you"}, {}, "sender"),
        ({"MAIL": CLOSE}, {}, "sender"),
    ],
)
def test_it_says_which_part_fails(
    replies: dict[str, str | list[str]], changes: dict[str, object], failed: str | None
) -> None:
    with fake_server(None, False, **replies) as fake:
        steps = diagnose(at(fake, **changes), "digest@digest.example")
    names = ["DNS", "connection", "TLS", "login", "sender"]
    assert [step.name for step in steps] == names[: names.index(failed) + 1 if failed else 5]
    assert all(step.is_good for step in steps[:-1])
    assert steps[-1].is_good is (failed is None)
    assert bool(steps[-1].text) is (failed is not None)


def test_it_blames_the_moment_for_a_server_that_is_not_there() -> None:
    with pytest.raises(Unreachable) as caught:
        Talk(Server("127.0.0.1", free_port(), Security.NONE))
    assert (caught.value.outcome.phase, caught.value.outcome.against) == (Phase.CONNECT, Against.MOMENT)


def test_it_gives_each_address_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[int] = []

    async def reach(_candidate: object, _address: object, until: float) -> None:
        shares.append(round(until - monotonic()))
        raise TimeoutError

    monkeypatch.setattr(wire, "_reach", reach)
    with pytest.raises(wire.Lost):
        alone(wire.connect([(AF_INET, SOCK_STREAM, 0, ("127.0.0.1", 9))] * 3, 12.0))
    assert shares == [4, 6, 12]
