"""`digest demo`: the whole product on this machine, with an inbox instead of a mail server."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from pydantic import SecretStr

from digest import pipeline
from digest.cli.mail import write_parts
from digest.cli.ports import free_port
from digest.cli.serve import commands, prepare, running, watch
from digest.cli.shell import Failure
from digest.clock import real_now
from digest.install import Install
from digest.logs import configure
from digest.rendering.gallery import gallery
from digest.rendering.mime import Sender
from digest.reports import day_report
from digest.settings import DEMO_SECRET_MARK, Settings, load
from digest.sources.sample import write_sample
from digest.subscribers import lifecycle
from digest.subscribers.address import parse
from digest.subscribers.subscriber import Preferences
from digest.web.devinbox import Inbox, Mail, MailFolder, start_inbox

FOLDER = Path("var/demo")
HOST = "127.0.0.1"
READERS = (  # (address, topics): what one morning is shown for
    ("ann@example.org", ("large language models", "reasoning")),
    ("bob@example.org", ("diffusion", "video generation")),
    ("cleo@example.org", ()),
)


@click.command()
@click.option("--once", is_flag=True, help="One whole morning without a person, then leave.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Where --once writes the mails.")
def demo(once: bool, out: Path | None) -> None:
    """Try everything: subscribe, confirm, read, vote, leave. Needs no service, no network and no settings."""
    _once(out or Path("out/demo")) if once else _live()


def _settings(folder: Path, smtp_port: int, web_port: int) -> Settings:
    """Demo settings; what the environment says of sources stays in force."""
    folder.mkdir(parents=True, exist_ok=True)
    password = _kept(folder / "admin_password")
    values: dict[str, Any] = {
        "demo": True,
        "database_url": f"sqlite:///{folder.absolute()}/digest.db",
        "broker_url": "embedded",
        "data_dir": folder.absolute(),
        "public_url": f"http://{HOST}:{web_port}",
        "secret_key": DEMO_SECRET_MARK + _kept(folder / "secret_key"),
        "admin_password": password,
        "smtp_host": HOST,
        "smtp_port": smtp_port,
        "smtp_security": "none",
        "smtp_user": "",
        "mail_from": "Digest <digest@digest.localhost>",
        "postal_address": "Digest demo, this machine",
        "tick_seconds": 2,
        "log_level": "WARNING",
    }
    return load(values)


def _kept(path: Path) -> str:
    """A secret made on the first run and kept for the next, so that links in yesterday's demo mails still work."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _with_papers(settings: Settings) -> tuple[Settings, str]:
    """Papers from the sources of the settings where they answer, else the bundled ones; and a sentence that says which."""
    if _is_reachable(settings.hf_url) and _ingested(settings):
        return settings, "Papers come from " + ", ".join(settings.sources) + "."
    papers_file = settings.data_dir / "sample.jsonl"
    number = write_sample(papers_file, real_now().date())
    settings = Settings(**settings.model_dump() | {"sources": ("file",), "papers_file": papers_file})
    if not _ingested(settings):
        raise Failure("the bundled papers could not be read; please report this.")
    return (
        settings,
        f"{settings.hf_url} cannot be reached from here, so {number} bundled papers are used, by the same code.",
    )


def _ingested(settings: Settings) -> bool:
    """Read every source once; whether there are papers now. A model is fitted, so that the first digest is ranked well."""
    with _install(settings) as install:
        for name in settings.sources:
            pipeline.ingest(install, name)
        return bool(pipeline.learn(install).counts["papers"])


def _is_reachable(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection(
            (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), timeout=3
        ).close()
    except OSError:
        return False
    return True


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, for the child processes."""

    def text(value: object) -> str:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return ",".join(map(text, value)) if isinstance(value, tuple) else "" if value is None else str(value)

    return dict(os.environ) | {
        f"DIGEST_{name.upper()}": text(getattr(settings, name)) for name in type(settings).model_fields
    }


# --- with a person --------------------------------------------------------------------------------------------------


def _live() -> None:
    web_port = free_port(HOST, 8000)
    with start_inbox(HOST, free_port(HOST, 8025), free_port(HOST, 8026), FOLDER / "inbox", _gallery()) as inbox:
        settings = _settings(FOLDER, inbox.smtp_port, web_port)
        configure(settings)
        prepare(settings)
        settings, said = _with_papers(settings)
        with running(commands(settings, HOST, web_port), _environment(settings)) as processes:
            _wait_for(web_port, 30.0)
            click.echo(_welcome(settings, inbox.url, said))
            watch(processes)


def _gallery() -> MailFolder:
    """A folder with one of every mail, made anew each time."""
    shutil.rmtree(FOLDER / "gallery", ignore_errors=True)
    folder = MailFolder(FOLDER / "gallery")
    sender = Sender(f"http://{HOST}:8000", "Digest <digest@digest.localhost>", "digest.digest.localhost")
    for sample in reversed(list(gallery(sender))):  # the newest stands first
        folder.add(sample.mail, "", (sample.name,), real_now())
    return folder


def _wait_for(port: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Failure(f"the web pages did not come up within {seconds:.0f} s; the lines above say why.")


def _welcome(settings: Settings, inbox_url: str, said: str) -> str:
    return f"""
{said}

  Web page  {settings.public_url}/
  Inbox     {inbox_url}   (one of every mail: {inbox_url}gallery/)
  Admin     {settings.public_url}/admin   (password: {settings.admin_password.get_secret_value()})

Try this:
  1. Open the web page, type any address and subscribe.
  2. Open the inbox, read the mail and confirm with its button: your first digest arrives within seconds.
  3. Vote on a paper from the digest, change your preferences, then unsubscribe by its link.

Everything lies in {FOLDER}/ ; delete that folder to start afresh. Stop with Ctrl-C.
"""


# --- one morning without a person -------------------------------------------------------------------------------------


def _once(out: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="digest-demo-") as scratch,
        start_inbox(HOST, 0, 0, Path(scratch) / "inbox") as inbox,
    ):
        settings = _settings(Path(scratch), inbox.smtp_port, 8000)
        configure(settings)
        prepare(settings)
        settings, said = _with_papers(settings)
        click.echo(said)
        with _install(settings) as install:
            _morning(install, inbox)
        written = [write_parts(out, f"{n:02d}-{'-'.join(mail.envelope_to)}", mail.raw) for n, mail in _in_order(inbox)]
    click.echo(f"\nMails written to {out}/ as .eml, .html and .txt:")
    for name in written:
        click.echo(f"  {name}")


@contextmanager
def _install(settings: Settings) -> Iterator[Install]:
    install = Install.open(settings)
    try:
        yield install
    finally:
        install.close()


def _morning(install: Install, inbox: Inbox) -> None:
    """Readers subscribe and confirm by the links of their mails, as a person would; then the stages run."""
    for email, topics in READERS:
        with install.engine.begin() as connection:
            lifecycle.subscribe(
                connection, parse(email), Preferences(topics=topics), install.now(), wording="digest demo --once"
            )
    pipeline.deliver(install, letters=True)
    for mail in inbox.mails.mails():
        _confirm(install, mail.text)
    reports = pipeline.run(install)
    click.echo("\n".join(str(one) for one in reports))
    ledger = day_report(install.engine, None)
    click.echo(f"\n{ledger}")
    if not (ledger.ok and all(one.ok for one in reports)):
        raise Failure("a stage failed; the lines above say which and why.")


def _confirm(install: Install, text: str) -> None:
    found = re.search(r"/c/([\w-]+)", text)
    link = install.links.read_confirm(found[1]) if found else None
    if link is None:
        raise Failure("a confirmation mail came without its link; please report this.")
    with install.engine.begin() as connection:
        lifecycle.confirm(connection, link, install.now(), wording="digest demo --once")


def _in_order(inbox: Inbox) -> list[tuple[int, Mail]]:
    return list(enumerate(sorted(inbox.mails.mails(), key=lambda mail: mail.number), start=1))
