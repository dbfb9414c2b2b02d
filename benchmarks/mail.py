"""Every mail of the gallery and a digest of every recorded day, judged: bytes, lost words, SpamAssassin, and a judge's rules.

`digest bench mail [--shared DIR] [--language en] [--size 62] [--days N] [--out DIR] [--judge-python PATH]`
DIR (or DIGEST_SHARED) holds recorded answers in payloads/ and, where it is wanted, tools/judge_eml.py. Without either
only the gallery is judged, by its bytes and by SpamAssassin. Leaves with 1 when a mail misses a mark.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks._recorded import by_source, days, lost_words
from benchmarks.render import AT, SENDER
from digest.delivery.dkim import Key, Signer
from digest.editions.edition import Edition, Kind, Pick
from digest.papers.clean import CleanPaper, clean
from digest.papers.paper import Paper
from digest.rendering.gallery import REASONS, TO, gallery
from digest.rendering.layout import HTML_MAX
from digest.rendering.renderer import Renderer
from digest.sources.base import RawPaper
from digest.subscribers import signer
from digest.subscribers.tokens import Links

KINDS: tuple[Literal["list", "single"], ...] = ("list", "single")
SCORE_MAX = 0.0
_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE)
_SCORE = re.compile(
    _ID.pattern + rb"(?:(?!^Message-ID: )[^\0])*?^Content analysis details:\s+\((-?[\d.]+) points", re.MULTILINE
)


class Group(NamedTuple):
    """Mails of one kind: list mail, or an answer to something that a person did."""

    name: str
    kind: Literal["list", "single"]
    files: list[Path]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="digest bench mail", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DIGEST_SHARED", "../shared")))
    parser.add_argument("--language", default="en")
    parser.add_argument("--size", type=int, default=62, help="papers in a digest, at most")
    parser.add_argument("--days", type=int, default=0, help="only so many of the recorded days, the last ones")
    parser.add_argument("--out", type=Path, help="keep the mails there")
    parser.add_argument(
        "--judge-python", default=sys.executable, help="one with html5lib and dkimpy, so that no rule is skipped"
    )
    asked = parser.parse_args(argv)
    payloads, judge = asked.shared / "payloads", asked.shared / "tools" / "judge_eml.py"
    key = Key("example.org", "sample", Ed25519PrivateKey.generate())
    with tempfile.TemporaryDirectory(prefix="digest-mail-") as scratch:
        out = asked.out or Path(scratch)
        groups = _gallery(out, asked.language, key)
        if payloads.is_dir():
            mails = _recorded(payloads, asked.language, asked.size, asked.days)
            groups.append(Group("recorded days", "list", _written(out / "days", mails, key)))
        met = [_is_small(group) for group in groups]
        if payloads.is_dir():
            met += [_keeps_words(source, papers) for source, papers in by_source(payloads).items()]
        if shutil.which("spamassassin"):
            met += [_is_no_spam(group) for group in groups]
        if judge.is_file():
            (out / "key.txt").write_text(key.dns_record(), encoding="utf-8")
            command = [asked.judge_python, str(judge), "--dkim-key", str(out / "key.txt")]
            met += [_keeps_rules(group, command) for group in groups]
    return 0 if all(met) else 1


# --- the mails ------------------------------------------------------------------------------------------------------


def _gallery(out: Path, language: str, key: Key) -> list[Group]:
    samples = list(gallery(SENDER, language))
    mails = {kind: [(one.name, one.mail) for one in samples if one.group == kind] for kind in KINDS}
    return [Group(f"gallery, {kind}", kind, _written(out / kind, mails[kind], key)) for kind in KINDS]


def _recorded(payloads: Path, language: str, size: int, most: int) -> Iterator[tuple[str, bytes]]:
    """One digest a day, the most voted papers first, with links as the pipeline signs them."""
    signed = Links(signer.Signer([b"k" * 32]), "bounces.example.org")
    for number, (on, raws) in enumerate([*days(payloads)][-most:], 1):
        edition = _edition(number, on, raws, size)
        sheet = Renderer(SENDER).prepare([pick.paper for pick in edition.picks], [language])
        links = signed.of_mail(number, number)
        dated_at = datetime.combine(on, time(5), UTC)
        yield str(on), sheet.fill(edition, TO, language, links, f"<{on:%Y%m%d}.{number}@example.org>", dated_at)


def _edition(number: int, on: date, raws: Sequence[RawPaper], size: int) -> Edition:
    papers = [
        _paper(place, on, kept)
        for place, raw in enumerate(raws, 1)
        if isinstance(kept := clean(raw, "huggingface", on), CleanPaper)
    ]
    best = sorted(papers, key=lambda paper: -(paper.votes or 0))[:size]
    picks = tuple(
        Pick(paper, REASONS[place % len(REASONS)], paper.votes, paper.votes) for place, paper in enumerate(best)
    )
    return Edition(number, number, on, Kind.DAILY, picks, len(papers), on, on, on + timedelta(days=1), AT)


def _paper(number: int, on: date, kept: CleanPaper) -> Paper:
    own = {one.name for one in fields(Paper)}
    same = {one.name: getattr(kept, one.name) for one in fields(CleanPaper) if one.name in own}
    return Paper(id=number, first_seen_at=datetime.combine(on, time(), UTC), source="huggingface", **same)


def _written(folder: Path, mails: Iterable[tuple[str, bytes]], key: Key) -> list[Path]:
    """The mails as files, signed."""
    folder.mkdir(parents=True, exist_ok=True)
    signer, written = Signer([key]), []
    for name, mail in mails:
        written.append(folder / f"{name}.eml")
        written[-1].write_bytes(signer.sign(mail, AT))
    return written


# --- the marks; each prints a line and tells whether it was met -----------------------------------------------------


def _is_small(group: Group) -> bool:
    sizes = {file.stem: _html_bytes(file) for file in group.files}
    largest = max(sizes, key=lambda name: sizes[name])
    print(
        f"{group.name}: {len(sizes)} mails, largest HTML {sizes[largest]:,} bytes of {HTML_MAX:,} ({largest})",
        flush=True,
    )
    return sizes[largest] <= HTML_MAX


def _html_bytes(file: Path) -> int:
    body = message_from_bytes(file.read_bytes(), EmailMessage, policy=policy.SMTP).get_body(("html",))
    assert body is not None
    return len(body.get_content().replace("\r\n", "\n").encode())


def _keeps_words(source: str, papers: list[RawPaper]) -> bool:
    losses = lost_words(source, papers)
    print(f"{source}: {len(papers):,} recorded papers, {sum(len(lost) for _, lost in losses)} words lost", flush=True)
    return not losses


def _is_no_spam(group: Group) -> bool:
    """SpamAssassin's local rules; two processes take half of the mails each."""
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(_points, filter(None, (group.files[::2], group.files[1::2]))))
    scores = [score for half in halves for score in half]
    over = [f"{name}: {points}" for name, points in scores if points > SCORE_MAX]
    most = max(points for _, points in scores)
    print(
        f"{group.name}: SpamAssassin at most {most} points; {len(over)} above {SCORE_MAX} {over[:9] or ''}", flush=True
    )
    return not over


def _points(files: Sequence[Path]) -> list[tuple[str, float]]:
    """(name, points) of each mail. SpamAssassin takes a mailbox in an order of its own."""
    mails = {_ID.findall(mail)[0]: (file.stem, mail) for file in files if (mail := _unix(file))}
    with tempfile.NamedTemporaryFile(suffix=".mbox") as mailbox:
        mailbox.write(
            b"".join(b"From a@example.org Thu Jan  1 00:00:00 2026\n" + mail + b"\n" for _, mail in mails.values())
        )
        mailbox.flush()
        command = ["spamassassin", "--local", "--test-mode", "--nocreate-prefs", "--mbox", mailbox.name]
        said = subprocess.run(command, check=True, capture_output=True).stdout
    points = {name: float(score) for name, score in _SCORE.findall(said)}
    return [(name, points[key]) for key, (name, _) in mails.items()]


def _unix(file: Path) -> bytes:
    return re.sub(rb"(?m)^From ", b">From ", file.read_bytes().replace(b"\r\n", b"\n"))


def _keeps_rules(group: Group, judge: list[str]) -> bool:
    """The judge of the folder of examples; an answer to a person is judged as a mail that asks for a confirmation."""
    kind = "digest" if group.kind == "list" else "confirm"
    command = [*judge, "--kind", kind, "--strict", "--no-external", "--json", "--address", SENDER.postal_address]
    said = json.loads(subprocess.run([*command, *map(str, group.files)], capture_output=True, check=False).stdout)
    failed = [row for one in said for row in one["rows"] if row["state"] == "FAIL"]
    by_level, by_rule = (Counter(row[name] for row in failed) for name in ("level", "id"))
    print(f"{group.name}: judge {by_level['MUST']} MUST, {by_level['SHOULD']} SHOULD {dict(by_rule) or ''}", flush=True)
    return not failed


if __name__ == "__main__":
    raise SystemExit(main())
