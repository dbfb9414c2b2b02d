"""The engine against a server that fails on purpose and keeps its own count of what it took."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from digest.delivery.outcomes import Against, Outcome, Verdict
from digest.delivery.smtp import Envelope, Pool, Security, Server, Unreachable
from tests.conftest import shared_dir

TRIES = 12
HANG_S = "0.7"
EOD_TIMEOUT_S, PATIENCE_S = 0.5, 0.4  # together longer than the server hangs


@contextmanager
def evil(folder: Path, *arguments: str) -> Iterator[Server]:
    program = shared_dir("tools") / "evil_smtp.py"
    port = folder / "port"
    command = [sys.executable, str(program), "--port", "0", "--port-file", str(port), "--log", str(folder / "log")]
    server = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while not port.exists() and time.monotonic() < until:
            time.sleep(0.02)
        yield Server(
            "127.0.0.1",
            int(port.read_text()),
            Security.NONE,
            command_timeout_s=5,
            data_timeout_s=5,
            eod_timeout_s=EOD_TIMEOUT_S,
        )
    finally:
        server.terminate()
        server.wait(20)


def mails(count: int) -> dict[int, Envelope]:
    return {
        n: Envelope(
            n,
            f"bounce-{n}@digest.example",
            f"r{n}@example.org",
            b"Message-ID: <%d@digest.example>\r\n\r\n.\r\n%b" % (n, b"a line of a paper\r\n" * 300),
        )
        for n in range(count)
    }


def send_until_settled(server: Server, count: int, connections: int = 4) -> dict[int, list[Outcome]]:
    """Send all mails; what was deferred or uncertain again, the same bytes."""
    outcomes: dict[int, list[Outcome]] = {n: [] for n in range(count)}
    waiting = mails(count)
    with Pool(server, connections, reopen_pauses_s=(0.05,) * 20) as pool:
        for _ in range(TRIES):
            pool.send(list(waiting.values()), lambda number, outcome: outcomes[number].append(outcome))
            if any(seen and seen[-1].verdict is Verdict.UNCERTAIN for seen in outcomes.values()):
                time.sleep(PATIENCE_S)  # as the lease does: a server that was only slow must be done with its copy
            for number, seen in outcomes.items():
                if seen and seen[-1].verdict in (Verdict.SUBMITTED, Verdict.REFUSED):
                    waiting.pop(number, None)
    return outcomes


def report(folder: Path, count: int) -> dict[str, int]:
    expected = folder / "expected"
    expected.write_text("".join(f"r{n}@example.org\n" for n in range(count)))
    program = shared_dir("tools") / "evil_smtp.py"
    command = [sys.executable, str(program), "report", str(folder / "log"), "--expect", str(expected), "--json"]
    said: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mode", "ok"],
        ["--mode", "tempfail", "--p", ".5"],
        ["--mode", "greylist"],
        ["--mode", "421", "--per-conn", "1"],
        ["--mode", "421", "--per-conn", "7"],
        ["--mode", "busy"],
        ["--mode", "middrop"],
        ["--mode", "vanish"],
        ["--mode", "ambiguous", "--p", ".1"],
        ["--mode", "hang", "--p", ".03", "--hang", HANG_S],
        ["--mode", "minimal"],
        ["--mode", "helo-only"],
        ["--mode", "strict"],
        ["--mode", "slow", "--delay", ".002"],
        ["--mode", "eod451"],
        ["--mode", "chaos", "--hang", HANG_S],
    ],
    ids=lambda arguments: "-".join(arguments[1:2] + arguments[3:]),
)
def test_it_loses_nothing_and_doubles_nothing_acknowledged(tmp_path: Path, arguments: list[str]) -> None:
    with evil(tmp_path, *arguments) as server:
        outcomes = send_until_settled(server, 60)
    assert all(seen[-1].verdict is Verdict.SUBMITTED for seen in outcomes.values())
    assert not any(outcome.against is Against.READER for seen in outcomes.values() for outcome in seen)
    counted = report(tmp_path, 60)
    assert (counted["lost"], counted["dup_forbidden"], counted["unexpected"], counted["flawed"]) == (0, 0, 0, 0)
    assert counted["dup_excused_same_bytes"] == counted["dup_excused_server"] + counted["dup_excused_client"]


def test_it_tries_once_who_does_not_exist_and_serves_the_others(tmp_path: Path) -> None:
    with evil(tmp_path, "--mode", "reject", "--reject", "r1?") as server:
        outcomes = send_until_settled(server, 40)
    dead = {number for number, (outcome,) in outcomes.items() if outcome.is_address_dead}
    assert dead == set(range(10, 20))
    assert report(tmp_path, 40)["lost"] == 10


def test_it_does_not_try_a_mail_over_the_limit(tmp_path: Path) -> None:
    with evil(tmp_path, "--mode", "size", "--max-size", "2000") as server:
        outcomes = send_until_settled(server, 3)
    assert {outcome.against for (outcome,) in outcomes.values()} == {Against.MESSAGE}


@pytest.mark.parametrize("mode", ["tls", "tls-required"])
def test_it_sends_encrypted(tmp_path: Path, mode: str) -> None:
    with evil(tmp_path, "--mode", mode, "--mode", "auth", "--cert-out", str(tmp_path / "cert")) as server:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "cert"))
        server = replace(server, security=Security.STARTTLS, tls=trusted, user="user", password="pass")
        outcomes = send_until_settled(server, 10)
    assert all(outcome.verdict is Verdict.SUBMITTED for (outcome,) in outcomes.values())
    assert '"tls": false' not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("mode", ["tls", "tls-broken", "tls-454", "ok"])
def test_it_sends_nothing_where_tls_fails(tmp_path: Path, mode: str) -> None:
    with evil(tmp_path, "--mode", mode) as server, pytest.raises(Unreachable) as caught:
        send_until_settled(replace(server, security=Security.STARTTLS), 5)
    assert caught.value.outcome.against is Against.SITE
    assert report(tmp_path, 5)["messages"] == 0


def test_it_blames_no_reader_when_a_server_wants_tls_or_a_login(tmp_path: Path) -> None:
    with evil(tmp_path, "--mode", "auth") as server:
        outcomes = send_until_settled(server, 3)
        assert {outcome.against for (outcome,) in outcomes.values()} == {Against.SITE}
        with pytest.raises(Unreachable):
            send_until_settled(replace(server, user="user", password="wrong"), 3)
        outcomes = send_until_settled(replace(server, user="user", password="pass"), 3)
        assert {outcome.verdict for (outcome,) in outcomes.values()} == {Verdict.SUBMITTED}
