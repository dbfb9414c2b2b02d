"""Commands about mail: look at what would be sent, take in what came back."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from digest.cli.shell import DAY, Failure, reports, settings_of
from digest.settings import PREFIX, Settings, is_loopback

HTML_BUDGET = 80 * 1024


def write_parts(out: Path, name: str, raw: bytes) -> str:
    """Write one mail as NAME.eml, .html and .txt into `out`; returns NAME made safe for a file."""
    out.mkdir(parents=True, exist_ok=True)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "mail"
    (out / f"{safe}.eml").write_bytes(raw)
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    for kind, ending in (("html", "html"), ("plain", "txt")):
        body = message.get_body((kind,))
        (out / f"{safe}.{ending}").write_text(body.get_content() if body else "", encoding="utf-8")
    return safe


@dataclass(frozen=True)
class Written:
    """What `preview` wrote: name -> bytes of its HTML part."""

    out: Path
    mails: dict[str, int]
    note: str = ""
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return {"out": str(self.out), "mails": self.mails, "note": self.note}

    def __str__(self) -> str:
        lines = [
            f"  {name}: {size:,} bytes of HTML ({100 * size // HTML_BUDGET} % of the budget)"
            for name, size in self.mails.items()
        ]
        written = f"Written to {self.out}/ as .eml, .html and .txt:"
        return "\n".join([written, *lines, *filter(None, [self.note])])


@click.command()
@click.option("--subscriber", metavar="ADDRESS", help="The digest of this subscriber.")
@click.option("--topics", help='The digest for these topics, like "video diffusion, robotics".')
@click.option("--date", "day", type=DAY, help="As of noon UTC of this day; without it, now.")
@click.option("--mail", "name", help="A sample of one kind of mail by its name, or all of them: --mail all.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@click.pass_context
@reports
def preview(
    context: click.Context,
    subscriber: str | None,
    topics: str | None,
    day: datetime | None,
    name: str | None,
    out: Path,
) -> Written:
    """Write what would be sent, without sending it."""
    if sum(map(bool, (subscriber, topics, name))) > 1:
        raise click.UsageError("give one of --subscriber, --topics and --mail.")
    if name:
        if day:
            raise click.UsageError("--mail shows made-up samples, which have no --date.")
        return _samples(context, name, out)
    from digest import preview as previewing
    from digest.install import Install

    install = Install.open(settings_of(context))
    moment = day.replace(hour=12, tzinfo=UTC) if day else install.now()
    signer = install.dkim
    try:
        if subscriber:
            raw = previewing.for_subscriber(install, subscriber, moment)
        else:
            raw = previewing.for_topics(
                install, tuple(part.strip() for part in (topics or "").split(",") if part.strip()), moment
            )
    except previewing.NothingToShow as error:
        raise Failure(str(error)) from None
    finally:
        install.close()
    if signer:
        raw = signer.sign(raw, moment)
    written = write_parts(out, "digest", raw)
    return Written(out, {written: (out / f"{written}.html").stat().st_size})


def _samples(context: click.Context, name: str, out: Path) -> Written:
    from digest.delivery.dkim import throwaway_signer
    from digest.install import Install
    from digest.rendering.gallery import gallery

    settings = settings_of(context)
    settings, missing = _with_stand_ins(settings)
    install = Install(settings)
    sender, signer = install.sender, install.dkim or throwaway_signer(settings.from_domain)
    mails: dict[str, int] = {}
    names: list[str] = []
    for sample in gallery(sender, settings.language):
        names.append(sample.name)
        if name in ("all", sample.name):
            group = f"{sample.group}/" if name == "all" else ""
            written = write_parts(out / group, sample.name, signer.sign(sample.mail, install.now()))
            mails[group + written] = (out / group / f"{written}.html").stat().st_size
    if not mails:
        raise click.BadParameter(
            f"there is no mail {name!r}. Choose all, or one of: {', '.join(names)}.", param_hint="--mail"
        )
    return Written(
        out, mails, f"These are not set and were made up for the samples: {', '.join(missing)}." if missing else ""
    )


def _with_stand_ins(settings: Settings) -> tuple[Settings, list[str]]:
    """A sample is a whole mail: what an operator has not set yet is made up, and named."""
    made_up: dict[str, str] = {}
    host = urlsplit(settings.public_url).hostname or ""
    if settings.from_domain == "localhost" and not is_loopback(host):
        made_up["mail_from"] = f"Digest <digest@{host}>"
    if not settings.postal_address:
        made_up["postal_address"] = "1 Sample Street, 10115 Sampleton"
    names = [*made_up, *([] if settings.dkim_selector else ["dkim_key"])]
    return Settings(**settings.model_dump() | made_up), [f"{PREFIX}{name.upper()}" for name in names]


@dataclass(frozen=True)
class TakenIn:
    """What was done with returned mail."""

    said: list[str]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return {"reports": self.said}

    def __str__(self) -> str:
        return "\n".join(self.said) or "This mail reports nothing; nothing was changed."


@click.command()
@click.pass_context
@reports
def bounce(context: click.Context) -> TakenIn:
    """Take in one returned message from standard input, as a mail server's pipe delivers it."""
    from digest import pipeline
    from digest.install import Install

    install = Install.open(settings_of(context))
    try:
        return TakenIn(pipeline.take_in(install, sys.stdin.buffer.read()))
    finally:
        install.close()


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_context
@reports
def bounces(context: click.Context, folder: Path) -> TakenIn:
    """Take in a maildir of returned messages; each is moved from new/ to cur/ when that is done."""
    from digest import pipeline
    from digest.cli.progress import progress
    from digest.install import Install

    if not (folder / "new").is_dir():
        raise click.BadParameter(f"{folder} is no maildir: it has no folder new/.", param_hint="FOLDER")
    install = Install.open(settings_of(context))
    try:
        with progress("returned mails") as tell:
            return TakenIn(pipeline.take_in_maildir(install, folder, tell))
    finally:
        install.close()
