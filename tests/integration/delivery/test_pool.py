"""Several connections at once, against servers that drop, refuse, delay and vanish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Lock

import pytest

from digest.delivery.outcomes import Against, Outcome, Phase, Verdict
from digest.delivery.smtp import Envelope, Pool, Security, Server, Unreachable
from tests.conftest import free_port
from tests.integration.delivery.fake_server import (
    CLOSE,
    NO_PIPELINING,
    RESET,
    SILENCE,
    FakeServer,
    certificate,
    fake_server,
)


def mails(count: int) -> list[Envelope]:
    return [Envelope(n, "bounce@digest.example", f"r{n}@example.org", b"a: b\r\n\r\n%d\r\n" % n) for n in range(count)]


def at(fake: FakeServer) -> Server:
    return Server("127.0.0.1", fake.port, Security.NONE, command_timeout_s=5, data_timeout_s=5, eod_timeout_s=5)


class Replies:
    """What `on_reply` was told, per mail."""

    def __init__(self) -> None:
        self.of: dict[int, list[Outcome]] = {}
        self._lock = Lock()

    def __call__(self, number: int, outcome: Outcome) -> None:
        with self._lock:
            self.of.setdefault(number, []).append(outcome)

    def verdicts(self) -> set[Verdict]:
        assert all(len(outcomes) == 1 for outcomes in self.of.values())
        return {outcomes[0].verdict for outcomes in self.of.values()}


def test_it_sends_everything_once() -> None:
    replies = Replies()
    with fake_server() as fake, Pool(at(fake), 4) as pool:
        pool.send(mails(40), replies)
        assert replies.verdicts() == {Verdict.SUBMITTED}
        assert sorted(replies.of) == list(range(40))
        assert len(fake.mails) == len(set(fake.mails)) == 40
        assert len(fake.heard) <= 4
        pool.send(mails(4), Replies())
        assert len(fake.heard) <= 4  # kept from one call to the next
    assert all(lines[-1] == "QUIT" for lines in fake.heard)


def test_it_opens_no_connection_without_mail() -> None:
    with fake_server() as fake, Pool(at(fake), 4) as pool:
        pool.send([], Replies())
    assert fake.heard == []


def test_it_tells_the_reply_before_the_next_mail_starts() -> None:
    replies = Replies()

    def known(number: int) -> bool:
        assert sorted(replies.of) == list(range(number))
        return True

    with fake_server() as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(10), replies, still_wanted=known)
    assert len(replies.of) == 10


def test_it_hears_of_the_dot_before_it_leaves() -> None:
    dots: list[int] = []
    with fake_server(RCPT=["550 5.1.1 no", "250 ok"]) as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(3), Replies(), before_dot=lambda number: dots.append(number))
        assert len(fake.mails) >= 2
    assert dots == [1, 2]


@pytest.mark.parametrize("farewell", [CLOSE, RESET, "421 4.7.0 enough"])
def test_it_counts_no_try_for_a_kept_connection_that_ended(farewell: str) -> None:
    replies = Replies()
    # every second mail meets a connection that is over
    with fake_server(MAIL=["250 ok", farewell] * 6 + ["250 ok"]) as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(6), replies)
        assert replies.verdicts() == {Verdict.SUBMITTED}
        assert len(fake.mails) == 6


def test_it_counts_a_try_for_a_fresh_connection_that_ends() -> None:
    replies = Replies()
    with fake_server(MAIL="421 4.7.0 no more today") as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(3), replies)
    assert replies.verdicts() == {Verdict.DEFERRED}
    assert replies.of[0][0].asks_to_slow_down
    assert len(fake.heard) == 3


def test_it_never_sends_again_what_may_have_arrived() -> None:
    replies = Replies()
    with fake_server(dot=["250 ok", CLOSE, "250 ok", RESET, "250 ok"]) as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(6), replies)
    assert [replies.of[n][0].verdict is Verdict.UNCERTAIN for n in range(6)] == [False, True, False, True, False, False]
    assert len(fake.mails) == 6


@pytest.mark.parametrize("most", [1, 3])
def test_it_leaves_few_mails_in_doubt_at_once(most: int) -> None:
    in_doubt: set[int] = set()

    def before_dot(number: int) -> None:
        in_doubt.add(number)
        assert len(in_doubt) <= most

    with fake_server() as fake, Pool(at(fake), 8, most) as pool:
        pool.send(mails(60), lambda number, _: in_doubt.remove(number), before_dot=before_dot)
        assert len(fake.mails) == 60


def test_it_sends_the_next_dot_before_it_makes_another_mail() -> None:
    done: list[str] = []

    def one(mail: Envelope) -> Envelope:
        time.sleep(0.005)  # meanwhile others have written theirs, and wait for their turn to end them
        done.append(f"made {mail.id}")
        return mail

    with fake_server() as fake, Pool(at(fake), 4) as pool:
        pool.send(
            [partial(one, mail) for mail in mails(20)],
            lambda number, _: done.append(f"reply {number}"),
            before_dot=lambda number: done.append(f"dot {number}"),
        )
        assert len(fake.mails) == 20
    after_replies = [done[place + 1] for place, what in enumerate(done[:-1]) if what.startswith("reply")]
    assert sum(what.startswith("dot") for what in after_replies) >= 12


def test_it_lets_no_other_connection_wait_for_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.delivery.smtp.pool._SILENCE_SECONDS", 0.05)
    replies = Replies()
    with fake_server(dot=[SILENCE, "250 ok"]) as fake, Pool(replace(at(fake), eod_timeout_s=3), 3) as pool:
        pool.send(mails(20), replies)
    (doubtful,) = [number for number, (outcome,) in replies.of.items() if outcome.verdict is Verdict.UNCERTAIN]
    assert list(replies.of)[-1] == doubtful
    assert len(replies.of) == 20


def test_it_asks_again_for_a_mail_that_is_not_there_yet() -> None:
    def slowly() -> Iterator[Envelope | float]:
        for mail in mails(6):
            yield 0.001
            yield 0.0
            yield mail

    replies = Replies()
    with fake_server() as fake, Pool(at(fake), 2) as pool:
        pool.send(slowly(), replies)
    assert sorted(replies.of) == list(range(6))


@pytest.mark.parametrize(
    ("said", "is_told"),
    [("421 4.7.28 unusual rate", True), ("421 4.7.0 slow down please", True), ("421 too many messages in this connection", False)],
)  # fmt: skip
def test_it_tells_of_a_kept_connection_that_ended_for_the_rate(said: str, is_told: bool) -> None:
    replies = Replies()
    with fake_server(MAIL=["250 ok", said, "250 ok"]) as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(3), replies)
    assert [outcome.asks_to_slow_down for (outcome,) in replies.of.values()] == [False, is_told, False]


def test_it_changes_the_connection_after_enough_mails() -> None:
    with fake_server() as fake, Pool(replace(at(fake), messages_per_connection=3), 1) as pool:
        pool.send(mails(7), Replies())
        assert len(fake.heard) == 3
        assert fake.heard[0][-1] == "QUIT"


def test_it_finishes_the_mail_in_hand_and_takes_no_other_on_stop() -> None:
    stop, replies, taken = Event(), Replies(), []

    def lazily() -> Iterator[Envelope]:
        for mail in mails(100):
            taken.append(mail.id)
            if mail.id == 5:
                stop.set()
            yield mail

    with fake_server() as fake:
        with Pool(at(fake), 2) as pool:
            pool.send(lazily(), replies, stop=stop)
        assert sorted(replies.of) == taken == list(range(6))
        assert len(fake.mails) == 6
    assert all(lines[-1] == "QUIT" for lines in fake.heard)


def test_it_skips_unwanted_mail() -> None:
    replies = Replies()
    with fake_server() as fake, Pool(at(fake), 2) as pool:
        pool.send(mails(10), replies, still_wanted=lambda number: number % 2 == 0)
    assert {n for n, (outcome,) in replies.of.items() if outcome.verdict is Verdict.SKIPPED} == {1, 3, 5, 7, 9}
    assert len(fake.mails) == 5


@pytest.mark.parametrize("where", ["on_reply", "still_wanted", "before_dot", "envelopes"])
def test_it_stops_every_connection_at_a_fault_of_ours(where: str) -> None:
    calls: list[int] = []

    def full(number: int, outcome: Outcome | None = None) -> bool:
        calls.append(number)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return True

    def lazily() -> Iterator[Envelope]:
        for mail in mails(100):
            if where == "envelopes":
                full(mail.id)
            yield mail

    hooks, process = {where: full} if where != "envelopes" else {}, Event()
    with fake_server() as fake, Pool(at(fake), 2) as pool:
        with pytest.raises(OSError, match="No space"):
            pool.send(lazily(), **({"on_reply": Replies(), "stop": process} | hooks))  # type: ignore[arg-type]
        assert len(fake.mails) <= 8
    assert not process.is_set()  # the next run finds the process willing


def test_it_sends_to_a_server_that_was_away_for_a_moment() -> None:
    replies = Replies()
    greetings = ["421 4.7.0 too busy"] * 5 + ["220 here"]
    with fake_server(greeting=greetings) as fake, Pool(at(fake), 2, reopen_pauses_s=(0.01,) * 6) as pool:
        pool.send(mails(10), replies)
    assert replies.verdicts() == {Verdict.SUBMITTED}
    assert len(replies.of) == 10


def test_it_leaves_mail_untried_when_the_server_is_gone() -> None:
    replies = Replies()
    nobody = Server("127.0.0.1", free_port(), Security.NONE)
    with Pool(nobody, 3, reopen_pauses_s=(0.01,)) as pool, pytest.raises(Unreachable) as caught:
        pool.send(mails(10), replies)
    assert caught.value.outcome.phase is Phase.CONNECT
    assert replies.of == {}


def test_it_is_slowed_by_a_limit_on_connections_and_by_nothing_else() -> None:
    replies = Replies()
    greetings = ["220 here", "421 4.7.0 one is enough"]
    with fake_server(greeting=greetings) as fake, Pool(at(fake), 4, reopen_pauses_s=()) as pool:
        pool.send(mails(20), replies)
    assert replies.verdicts() == {Verdict.SUBMITTED}
    assert len(replies.of) == 20


def test_it_tries_a_wrong_password_once_per_connection() -> None:
    replies = Replies()
    with fake_server(AUTH="535 5.7.8 wrong") as fake:
        server = replace(at(fake), user="digest", password="wrong")
        with Pool(server, 2, reopen_pauses_s=(60.0,)) as pool, pytest.raises(Unreachable) as caught:
            pool.send(mails(10), replies)
    assert caught.value.outcome.against is Against.SITE
    assert len(fake.heard) <= 2
    assert replies.of == {}


def test_it_sends_over_tls(tmp_path: Path) -> None:
    shown, trusted = certificate(tmp_path)
    replies = Replies()
    with fake_server(shown) as fake, Pool(replace(at(fake), security=Security.STARTTLS, tls=trusted), 2) as pool:
        pool.send([mail._replace(data=mail.data + b"x" * 70 + b"\r\n" * 2000) for mail in mails(6)], replies)
    assert replies.verdicts() == {Verdict.SUBMITTED}


def test_it_serves_the_others_when_a_reader_is_refused() -> None:
    replies = Replies()
    every_second = ["550 5.1.1 no", "250 ok"] * 5
    with fake_server(EHLO=NO_PIPELINING, RCPT=every_second) as fake, Pool(at(fake), 1) as pool:
        pool.send(mails(10), replies)
    assert sum(outcome.is_address_dead for (outcome,) in replies.of.values()) == 5
    assert len(fake.mails) == 5
    assert len(fake.heard) == 1
