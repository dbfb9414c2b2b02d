"""What a worker did with every mail, on disk before it does the next thing: a killed worker is not forgotten.

One file per worker, `DATA_DIR/journal/NAME.journal`, a line per event: taken in hand, final dot about to leave, reply.
The worker holds it under flock, so a journal whose lock can be had belongs to a worker that is gone.

What survives: every line whose call returned survives kill -9 and a crash of Python, because it was copied into memory
that the kernel holds for the file. A power cut keeps what the kernel had written out, usually all but the last seconds. A
mail of which the line was lost is still claimed in the ledger and is sent again, the same bytes, when its lease ends. The
folder must be on a local file system.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from threading import Lock
from types import TracebackType

from digest.delivery.outcomes import TAKEN, Against, Outcome, Phase, Verdict

# Room kept behind the last line: enough for what all connections still have to say when the disk is full.
_ROOM_BYTES = 64 * 1024
_STEP_BYTES = 1024 * 1024


@dataclass(slots=True)
class Story:
    """All that a journal tells, by the ledger's ids.

    `begun` were taken in hand and the final dot of `doubtful` was about to leave, both without a reply; of these only the
    doubtful may have arrived. `outcomes` are those of the last try of each that had a reply. What all of `preparing`
    share was being made.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    preparing: set[int] = field(default_factory=set)


class Journal:
    """A locked journal: this worker's own (`Journal.create`), or one that a dead worker left (`abandoned`)."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._lock = Lock()
        self._lines: mmap | None = None  # the file, up to where it is reserved; only its writer has it
        self._enough_until = 0

    @classmethod
    def create(cls, folder: Path) -> Journal:
        """A new, empty journal; call it in the process that writes it, after any fork. OSError: folder, disk full."""
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / f"{os.uname().nodename[:40]}-{os.getpid()}-{secrets.token_hex(4)}.journal"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            journal = cls(path, descriptor)
            if not _has_lock(descriptor, path):
                journal.close()  # somebody took it for a dead worker's in the instant before the lock
                continue
            try:
                journal._make_room()
            except OSError:
                journal.remove()
                raise
            return journal

    @property
    def name(self) -> str:
        """The worker's name in the ledger: host, process, and a random part; at most 80 characters."""
        return self.path.stem

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Each of the next five writes one line and is safe from several threads. OSError, say ENOSPC, means that the line
    # is written but there is no room for many more: start no other mail.

    def prepare(self, ledger_ids: Sequence[int]) -> None:
        """What these mails share is being made; call it before, since that may kill the worker too. None: it is made."""
        self._append(b"prepare\t%b\n" % b" ".join(b"%d" % id for id in ledger_ids))

    def begin(self, ledger_id: int) -> None:
        """The mail is taken in hand; call it before it is made, so that a mail that kills its worker is known."""
        self._append(b"begun\t%d\n" % ledger_id)

    def before_dot(self, ledger_id: int) -> None:
        """The final dot leaves next; from now on the mail may arrive."""
        self._append(b"dot\t%d\n" % ledger_id)

    def record(self, ledger_id: int, outcome: Outcome) -> None:
        """What became of it."""
        self._append(b"reply\t%d\t%b\n" % (ledger_id, _TAKEN if outcome is TAKEN else _told(outcome)))

    def leave(self) -> None:
        """The worker goes on without this journal: no mail in it ended the worker."""
        self._append(b"left\n")

    def story(self) -> Story:
        """What was written so far."""
        return replay(self.path)

    def clear(self) -> None:
        """Forget everything, after it is committed to the ledger; only while nobody writes."""
        with self._lock:
            self._let_go_of_lines()  # what is cut off must not be touched
            os.ftruncate(self._descriptor, 0)
            self._make_room()

    def remove(self) -> None:
        """Delete the file, after all in it is committed, and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file; from now on it counts as abandoned."""
        self._let_go_of_lines()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _let_go_of_lines(self) -> None:
        if self._lines is not None:
            self._lines.close()  # it holds the file too, and with it the lock
        self._lines = None

    def _append(self, line: bytes) -> None:
        with self._lock:
            if self._lines is None:
                self._make_room()  # `clear` found the disk full
            assert self._lines is not None
            self._lines.write(line)
            if self._lines.tell() > self._enough_until:
                self._make_room()

    def _make_room(self) -> None:
        """Reserve the blocks for what comes: ENOSPC here, and not on the line of a mail that is already gone."""
        end = 0 if self._lines is None else self._lines.tell()
        os.posix_fallocate(self._descriptor, end, _STEP_BYTES)
        self._lines = mmap(self._descriptor, end + _STEP_BYTES)
        self._lines.seek(end)
        self._enough_until = end + _STEP_BYTES - _ROOM_BYTES


def abandoned(folder: Path) -> Iterator[Journal]:
    """The journals of workers that are gone, each locked by us until `remove` (after the commit) or the next one."""
    for path in sorted(folder.glob("*.journal")):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # another worker was faster
        with Journal(path, descriptor) as journal:
            if _has_lock(descriptor, path):
                yield journal


def is_worker_alive(folder: Path, name: str) -> bool:
    """Whether somebody on this machine holds the journal of that name."""
    try:
        descriptor = os.open(folder / f"{name}.journal", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def replay(path: Path) -> Story:
    """Read a journal. A line that was torn, by a kill or a power cut, tells nothing; what came before it stands."""
    story = Story()
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                _tell(story, line[:-1].decode("utf-8", "replace").split("\t"))
    return story


def _tell(story: Story, fields: list[str]) -> None:
    match fields:
        case ["prepare", numbers]:
            story.preparing = {int(number) for number in numbers.split() if number.isdecimal()}
        case ["begun", number] if number.isdecimal():
            story.begun.add(int(number))
            story.outcomes.pop(int(number), None)  # an earlier try: the ledger had it before it gave the mail out again
        case ["dot", number] if number.isdecimal():
            story.doubtful.add(int(number))
        case ["left"]:
            story.preparing.clear()
            story.begun.clear()
        case ["reply", number, *told] if number.isdecimal() and (outcome := _outcome(told)):
            story.outcomes[int(number)] = outcome
            story.begun.discard(int(number))
            story.doubtful.discard(int(number))


def _has_lock(descriptor: int, path: Path) -> bool:
    """Try the lock; false when somebody holds it, or removed the file before we had it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _told(outcome: Outcome) -> bytes:
    text = " ".join(outcome.text.split())
    flags = ("dead" if outcome.is_address_dead else "") + ("slow" if outcome.asks_to_slow_down else "")
    parts = (outcome.verdict, outcome.against, outcome.phase, outcome.code or "", outcome.status or "", flags, text)
    return "\t".join(map(str, parts)).encode("utf-8", "replace")


_TAKEN = _told(TAKEN)


def _outcome(fields: list[str]) -> Outcome | None:
    try:
        verdict, against, phase, code, status, flags, text = fields
        return Outcome(
            Verdict(verdict),
            Against(against),
            Phase(phase),
            int(code) if code else None,
            status or None,
            text,
            is_address_dead="dead" in flags,
            asks_to_slow_down="slow" in flags,
        )
    except ValueError:
        return None
