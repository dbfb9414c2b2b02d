"""Whether everything works: each check says ok, warn or fail, what was found, and what to do next."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import dns.exception
import dns.resolver
import redis
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from digest.clock import real_now
from digest.db import states
from digest.db.engine import database_now, reading
from digest.db.schema import head, revision
from digest.db.tables import RunOutcome, deliveries
from digest.delivery.dkim import Key
from digest.delivery.ledger import count_claimable, count_left
from digest.delivery.smtp import diagnose
from digest.delivery.tally import totals
from digest.editions.store import count_planned
from digest.feedback.rates import rates
from digest.install import Install
from digest.overview import last_runs
from digest.pipeline import PAUSE, warm_up_of
from digest.reports import SourceHealth, source_health
from digest.settings import Settings, SettingsError, is_loopback

STALE_BEATS = 3  # ticks without a heartbeat
STALE_SOURCE = timedelta(days=2)
SKEW_SECONDS = 5.0
LEDGER_DAYS = 4
LATE = timedelta(minutes=10)
LEAST_FREE_BYTES = 500_000_000


class Grade(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination; `remedy` is empty where nothing is to be done."""

    name: str
    grade: Grade
    said: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.grade:<4} {self.name}: {self.said}" + (f"\n     {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Examination:
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.grade is not Grade.FAIL for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "checks": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        bad = sum(finding.grade is Grade.FAIL for finding in self.findings)
        closing = "All is well." if self.ok else f"{bad} {'check' if bad == 1 else 'checks'} failed."
        return "\n".join([*map(str, self.findings), closing])


def examine(settings: Settings) -> Examination:
    """Look at everything a digest needs; nothing is changed and no mail is sent."""
    install = Install(settings)
    try:
        return Examination(tuple(_all(install)))
    finally:
        install.close()


def _all(install: Install) -> Iterator[Finding]:
    settings = install.settings
    yield from _settings(install)
    database = _database(install.engine)
    yield database
    yield _broker(settings)
    if database.grade is not Grade.FAIL:
        for check in (_clock_skew, _beat, _sending, _digests):
            yield check(install)
        yield from _late(install)
        yield _letters(install)
        yield _welcome(install)
        yield from _sources(install)
    yield from _maildir(settings)
    yield _disk(install)
    yield from _smtp(install)
    yield from _dns(install)


def _settings(install: Install) -> Iterator[Finding]:
    settings = install.settings
    try:
        _ = install.links
        yield Finding("settings", Grade.OK, "read, and links can be signed")
    except SettingsError as error:
        yield Finding("settings", Grade.FAIL, "the secret key is missing", str(error))
    try:
        _ = install.dkim
    except SettingsError as error:
        yield Finding("DKIM key", Grade.FAIL, "cannot be read; web and workers do not start with it", str(error))
    if not settings.postal_address:
        yield Finding(
            "postal address",
            Grade.WARN,
            "empty",
            "Many laws want one at the foot of the mail: set DIGEST_POSTAL_ADDRESS.",
        )
    if settings.public_url.startswith("http://") and not is_loopback(settings.public_url.split("/")[2].split(":")[0]):
        yield Finding(
            "public address",
            Grade.WARN,
            f"{settings.public_url} is not https",
            "One-click unsubscribe needs https: set DIGEST_PUBLIC_URL.",
        )


def _database(engine: Engine) -> Finding:
    try:
        found, wanted = revision(engine), head()
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return Finding(
            "database",
            Grade.FAIL,
            f"does not answer: {said}",
            "See that it runs and that DIGEST_DATABASE_URL is right.",
        )
    if found != wanted:
        return Finding(
            "database",
            Grade.FAIL,
            f"schema is {found or 'empty'}, this version needs {wanted}",
            "Run `digest migrate`.",
        )
    return Finding("database", Grade.OK, f"{engine.dialect.name}, schema {found}")


def _broker(settings: Settings) -> Finding:
    if settings.broker_url == "embedded":
        return Finding("broker", Grade.OK, f"embedded, in {settings.data_dir}/broker (one machine)")
    try:
        redis.Redis.from_url(settings.broker_url, socket_connect_timeout=3, socket_timeout=3).ping()
    except redis.RedisError as error:
        remedy = "Mail still goes out with the next tick once it is back; see that Redis runs and that DIGEST_BROKER_URL is right."
        return Finding("broker", Grade.FAIL, f"does not answer: {error}", remedy)
    return Finding("broker", Grade.OK, "Redis answers")


def _clock_skew(install: Install) -> Finding:
    with reading(install.engine).connect() as connection:
        theirs = float(connection.execute(select(database_now(connection))).scalar_one())
    skew = theirs - real_now().timestamp()
    if abs(skew) > SKEW_SECONDS:
        return Finding(
            "clock",
            Grade.WARN,
            f"the database's clock is {skew:+.0f} s from this machine's",
            "Keep both machines on network time.",
        )
    return Finding("clock", Grade.OK, f"within {abs(skew):.1f} s of the database's")


def _beat(install: Install) -> Finding:
    with reading(install.engine).connect() as connection:
        found = states.get(connection, "beat")
    remedy = "Nobody is served without it: start beat and a worker, or `digest up` for all in one."
    if found is None:
        return Finding("beat", Grade.FAIL, "no tick yet", remedy)
    age = real_now() - found[1]
    stale = age > timedelta(seconds=STALE_BEATS * install.settings.tick_seconds + 60)
    said = f"last tick {age.total_seconds():.0f} s ago"
    return Finding("beat", Grade.FAIL if stale else Grade.OK, said, remedy if stale else "")


def _sending(install: Install) -> Finding:
    with reading(install.engine).connect() as connection:
        pause = states.get(connection, PAUSE)
    if pause is None or datetime.fromisoformat(pause[0]["until"]) <= install.now():
        return Finding("sending", Grade.OK, "not paused")
    remedy = "Mend what the reason names; sending goes on by itself afterwards, and nothing is lost."
    return Finding("sending", Grade.FAIL, f"paused until {pause[0]['until']}: {pause[0]['reason']}", remedy)


def _welcome(install: Install) -> Finding:
    with reading(install.engine).connect() as connection:
        found = rates(connection, install.now())
    bad = [rate for rate in found if rate.is_alarming]
    if not bad:
        return Finding("returned mail", Grade.OK, "; ".join(map(str, found)))
    remedy = "See /admin/feedback for whose mail it is; look at where these addresses came from before more goes out."
    return Finding(
        "returned mail", Grade.FAIL if any(r.is_too_high for r in bad) else Grade.WARN, "; ".join(map(str, bad)), remedy
    )


def _digests(install: Install) -> Finding:
    """The ledger of the newest dates: time zones lie a day apart, and a date may be late by one."""
    with reading(install.engine).connect() as connection:
        last_on = connection.execute(select(func.max(deliveries.c.dated_on))).scalar_one()
    if last_on is None:
        return Finding("ledger", Grade.OK, "no digest yet")
    days = [totals(install.engine, last_on - timedelta(days=back)) for back in range(LEDGER_DAYS)]
    counts = {name: sum(getattr(day, name) for day in days) for name in ("planned", "submitted", "uncertain")}
    left = sum(day.waiting + day.deferred for day in days)
    said = f"digests of {LEDGER_DAYS} days to {last_on}: {counts['planned']} planned, {counts['submitted']} submitted, {left} to go"
    if not all(day.closes for day in days):
        return Finding(
            "ledger",
            Grade.FAIL,
            f"does not close: {said}",
            "This must not happen; please report it with the output of `digest report --json`.",
        )
    if counts["uncertain"]:
        return Finding(
            "ledger",
            Grade.WARN,
            f"{said}, {counts['uncertain']} uncertain",
            "`digest report --date DAY` counts them, /admin/ledger lists them; see docs/operating.md, Uncertain mail.",
        )
    return Finding("ledger", Grade.OK, f"{said}; it closes")


def _late(install: Install) -> Iterator[Finding]:
    """Digests that wait although nobody works on them. A run is stored within a minute, so a long one is not meant."""
    settings, engine, since = install.settings, install.engine, install.now() - LATE
    if settings.clock:  # minutes of a simulation are too short to judge by
        return
    with reading(engine).connect() as connection:
        ran = last_runs(connection, since)
    cap = warm_up_of(install)
    to_send = 0 if cap and not count_left(engine, cap) else count_claimable(engine, since)
    is_paused = _sending(install).grade is not Grade.OK
    waiting = {"rank": count_planned(engine, before=since), "deliver": 0 if is_paused else to_send}
    for stage, number in waiting.items():
        if number and stage not in ran:
            minutes = int(LATE.total_seconds() // 60)
            said = f"{number} digests have waited longer than {minutes} minutes, and no worker has looked after them"
            yield Finding(f"queue {stage}", Grade.FAIL, said, f"See that a worker for the queue {stage} runs.")


def _letters(install: Install) -> Finding:
    """Answers to something a person did, who waits for them now."""
    waiting = count_claimable(install.engine, install.now() - LATE, letters=True)
    if not waiting:
        return Finding("letters", Grade.OK, "none is late")
    minutes = int(LATE.total_seconds() // 60)
    return Finding(
        "letters",
        Grade.WARN,
        f"{waiting} confirmations and the like could have gone {minutes} minutes ago",
        "See that a worker for the queue render runs, and what the mail server says below.",
    )


def _sources(install: Install) -> Iterator[Finding]:
    with reading(install.engine).connect() as connection:
        health = {one.source: one for one in source_health(connection)}
    for name in install.settings.sources:
        yield _source(install, name, health.get(name))


def _source(install: Install, name: str, one: SourceHealth | None) -> Finding:
    what, ask = f"source {name}", f"Run `digest ingest --source {name}` and see what it says."
    if one is None or one.last_success_at is None:
        return Finding(what, Grade.FAIL, one.last_reason if one else "never read", ask)
    said = f"last read {one.last_success_at:%Y-%m-%d %H:%M} UTC; {one.last_reason or one.last_outcome}"
    if one.last_outcome == RunOutcome.FAILED:
        again = f"It is asked again by itself, ever later. {ask}"
        return Finding(what, Grade.WARN, said.replace("; ", "; it failed since: ", 1), again)
    if install.now() - one.last_success_at > STALE_SOURCE:
        return Finding(what, Grade.WARN, said, "See that beat and a worker for the queue ingest run.")
    return Finding(what, Grade.OK, said)


def _maildir(settings: Settings) -> Iterator[Finding]:
    folder = settings.bounce_maildir
    if folder is not None and not (folder / "new").is_dir():
        remedy = "Correct DIGEST_BOUNCE_MAILDIR, or have the mail server make the maildir there."
        yield Finding("maildir", Grade.FAIL, f"{folder} has no folder new/", remedy)


def _disk(install: Install) -> Finding:
    """Room and the right to write for the journal; what is tried leaves nothing behind."""
    folder = install.journal_folder.absolute()
    try:
        folder = _nearest(folder)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        said = f"{folder} cannot be written: {error.strerror or error}"
        remedy = "No mail goes out without a journal: give the user of the workers the right to write there, or set DIGEST_DATA_DIR."
        return Finding("disk", Grade.FAIL, said, remedy)
    if free < LEAST_FREE_BYTES:
        said = f"{free / 1e6:.0f} MB free in {install.settings.data_dir}"
        return Finding("disk", Grade.WARN, said, "No mail goes out without room for the journal: make some.")
    return Finding("disk", Grade.OK, f"{free / 1e9:.0f} GB free")


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it in which it would be made."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _smtp(install: Install) -> Iterator[Finding]:
    settings = install.settings
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    steps = diagnose(install.server, settings.from_address)
    failed = next((step for step in steps if not step.is_good), None)
    if failed is None:
        yield Finding("mail server", Grade.OK, f"{where}: " + ", ".join(step.name for step in steps))
        return
    remedies = {
        "DNS": "The name does not resolve: see DIGEST_SMTP_HOST.",
        "connection": "Nothing answers there: see DIGEST_SMTP_HOST, DIGEST_SMTP_PORT and firewalls. 465 wants tls, 587 starttls.",
        "TLS": "The certificate or the encryption is not right: see DIGEST_SMTP_SECURITY. Mail is never sent in clear instead.",
        "login": "The server refuses the login: see DIGEST_SMTP_USER and DIGEST_SMTP_PASSWORD; many want an app password.",
        "sender": "The server refuses the sender: see DIGEST_MAIL_FROM and what this login may send as.",
    }
    yield Finding("mail server", Grade.FAIL, f"{where}: {failed.name} failed: {failed.text}", remedies[failed.name])


def _dns(install: Install) -> Iterator[Finding]:
    """SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989) of the From domain."""
    domain = install.settings.from_domain
    if "." not in domain or domain.endswith((".localhost", ".test", ".example", ".invalid")):
        yield Finding(
            "sender domain",
            Grade.WARN,
            f"{domain} is no public domain",
            "Fine for trying out; for real mail set DIGEST_MAIL_FROM.",
        )
        return
    yield _record(
        "SPF",
        domain,
        lambda text: text.startswith("v=spf1"),
        f'Publish a TXT record at {domain}: "v=spf1 include:<your mail server\'s domain> -all".',
    )
    with suppress(SettingsError):  # a key that cannot be read has its own line
        yield from map(published, install.dkim.keys if install.dkim else ())
    yield _record(
        "DMARC",
        f"_dmarc.{domain}",
        lambda text: text.startswith("v=DMARC1"),
        f'Publish a TXT record at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:postmaster@{domain}".',
    )


def published(key: Key, resolve: Callable[..., Any] = dns.resolver.resolve) -> Finding:
    """Whether receivers find the public half of a key that we sign with."""
    remedy = f'Publish a TXT record at {key.dns_name()}: "{key.dns_record()}"; many name servers want it in parts of 255 letters.'
    return _record("DKIM", key.dns_name(), key.is_published_in, remedy, resolve)


def _record(
    what: str,
    name: str,
    is_right: Callable[[str], bool],
    remedy: str,
    resolve: Callable[..., Any] = dns.resolver.resolve,
) -> Finding:
    """Whether a text record stands in the DNS. One that is there but is not the right one makes receivers doubt the mail."""
    try:
        answers = resolve(name, "TXT", lifetime=5.0)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return Finding(what, Grade.WARN, f"no record at {name}", remedy)
    except dns.exception.DNSException as error:
        return Finding(
            what,
            Grade.WARN,
            f"{name} could not be looked up: {error}",
            "See that this machine can ask a name server, then try again.",
        )
    texts = [b"".join(answer.strings).decode("utf-8", "replace") for answer in answers]
    found = next(filter(is_right, texts), None)
    if found is None:
        return Finding(what, Grade.WARN, f"{name} has other records, not this one: {texts[0][:80]}", remedy)
    return Finding(what, Grade.OK, found[:80])
