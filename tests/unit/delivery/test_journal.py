"""The journal: what it keeps of a worker that is killed, and who may read it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.journal import Journal, abandoned, is_worker_alive, replay
from digest.delivery.outcomes import TAKEN, Against, Outcome, Phase, Verdict

DEAD = Outcome(Verdict.REFUSED, Against.READER, Phase.RCPT, 550, "5.1.1", "no such user", is_address_dead=True)
SLOW = Outcome(Verdict.DEFERRED, Against.MOMENT, Phase.MAIL, 421, None, "", asks_to_slow_down=True)
CUT = Outcome(Verdict.UNCERTAIN, Against.MOMENT, Phase.EOD, text="connection reset")


def test_it_tells_what_was_done_with_every_mail(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        for number, outcome in enumerate([TAKEN, DEAD, SLOW, CUT]):
            journal.begin(number)
            journal.before_dot(number)
            journal.record(number, outcome)
        journal.begin(10)
        journal.begin(11)
        journal.before_dot(11)
        story = journal.story()
    assert list(story.outcomes.items()) == [
        (0, TAKEN),
        (1, DEAD),
        (2, SLOW),
        (3, CUT),
    ]
    assert (story.begun, story.doubtful) == ({10, 11}, {11})


def test_it_takes_a_mail_that_is_tried_again_in_hand_again(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.begin(1)
        journal.record(1, SLOW)
        journal.begin(1)
        assert journal.story().begun == {1}


@given(text=st.text(max_size=300))
def test_it_keeps_lines_whole_whatever_a_server_says(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    outcome = Outcome(Verdict.REFUSED, Against.MESSAGE, Phase.EOD, 554, None, text)
    with Journal.create(tmp_path_factory.mktemp("journal")) as journal:
        journal.record(1, outcome)
        journal.record(2, TAKEN)
        assert list(journal.story().outcomes) == [1, 2]


def test_it_learns_nothing_from_a_torn_line(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.record(1, TAKEN)
        whole = journal.path.read_bytes().rstrip(b"\0")
        journal.record(22, TAKEN)
        both = journal.path.read_bytes().rstrip(b"\0")
    for length in range(len(whole), len(both)):
        torn = tmp_path / "torn"
        torn.write_bytes(both[:length] + b"\0" * 100)
        assert list(replay(torn).outcomes) == [1]
    torn.write_bytes(b"reply\tx\nbegun\t-1\nnonsense\nreply\t1\t9\tlost\n\n" + b"\0\0" + whole + whole)
    assert list(replay(torn).outcomes) == [1]


def test_it_writes_whole_lines_from_many_threads(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: journal.record(number, TAKEN), range(500)))
        assert sorted(journal.story().outcomes) == list(range(500))


def test_it_grows_and_can_be_cleared(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        long = Outcome(Verdict.REFUSED, Against.MESSAGE, Phase.EOD, 554, None, "x" * 200)
        for number in range(6000):
            journal.record(number, long)
        assert len(journal.story().outcomes) == 6000
        journal.clear()
        assert journal.story().outcomes == {}
        journal.record(1, TAKEN)
        assert list(journal.story().outcomes) == [1]


def test_it_finds_only_the_journals_of_dead_workers(tmp_path: Path) -> None:
    alive, dead = Journal.create(tmp_path), Journal.create(tmp_path)
    dead.record(7, TAKEN)
    dead.close()
    found = [(journal.name, len(journal.story().outcomes)) for journal in abandoned(tmp_path)]
    assert found == [(dead.name, 1)]
    assert is_worker_alive(tmp_path, alive.name)
    assert not is_worker_alive(tmp_path, dead.name)
    for journal in abandoned(tmp_path):
        assert list(abandoned(tmp_path)) == []  # locked by us
        journal.remove()
    assert [path.stem for path in tmp_path.iterdir()] == [alive.name]
    assert not is_worker_alive(tmp_path, dead.name)
    alive.remove()


def test_it_has_names_that_fit_the_ledger(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "new" / "folder") as journal:
        assert len(journal.name) <= 80


def test_it_survives_kill_9(tmp_path: Path) -> None:
    worker = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from digest.delivery.journal import Journal
        from digest.delivery.outcomes import *
        journal = Journal.create(Path({str(tmp_path)!r}))
        for number in range(100):
            journal.begin(number)
            journal.before_dot(number)
            journal.record(number, Outcome(Verdict.SUBMITTED, Against.NOBODY, Phase.EOD, 250, "2.0.0", "queued as 4F1"))
        journal.begin(100)
        journal.before_dot(100)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", worker], cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL
    (journal,) = [found.story() for found in abandoned(tmp_path)]
    assert len(journal.outcomes) == 100
    assert journal.doubtful == {100}


def test_it_stops_at_a_full_disk_before_the_next_mail_and_loses_no_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal.create(tmp_path) as journal:
        reserved = journal.path.stat().st_size
        monkeypatch.setattr(os, "posix_fallocate", full)
        written = iter(range(100_000))
        with pytest.raises(OSError, match="No space"):
            all(journal.record(number, TAKEN) is None for number in written)
        for _ in range(8):  # what the other connections have in hand
            with pytest.raises(OSError, match="No space"):
                journal.record(next(written), TAKEN)
        assert len(journal.story().outcomes) == next(written)
        assert journal.path.stat().st_size == reserved  # not a byte was asked of the full disk
    with pytest.raises(OSError, match="No space"):
        Journal.create(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_it_can_be_left_when_there_is_no_room_to_begin_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal.create(tmp_path) as journal:
        journal.begin(1)
        monkeypatch.setattr(os, "posix_fallocate", full)
        for end in (journal.clear, journal.leave):
            with pytest.raises(OSError, match="No space"):
                end()


def test_it_forgets_the_reply_to_an_earlier_try(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.record(1, SLOW)
        journal.begin(1)
        journal.before_dot(1)
        story = journal.story()
    assert (list(story.outcomes), story.doubtful) == ([], {1})
