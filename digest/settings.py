"""Every setting: its name, type, default and help.

Read from config/default.toml, then a TOML file named by DIGEST_CONFIG, then DIGEST_... in the environment (also .env),
then DIGEST_..._FILE for secrets; the last one that speaks wins.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from email.utils import parseaddr
from functools import cached_property
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "DIGEST_"
DEMO_SECRET_MARK = "demo-"  # noqa: S105
MASK = "********"
MOST_RATE = 1_000_000.0


class SettingsError(Exception):
    """A setting is wrong. The text names the variable, its value (secrets masked) and the remedy."""


def data_root() -> Path:
    """Where templates/ and config/ lie: inside the installed wheel, or beside the package in a checkout."""
    installed = Path(__file__).parent / "_data"
    return installed if installed.is_dir() else Path(__file__).parent.parent


class Settings(BaseModel):
    """Effective settings of one process. Field names are the variables' names without DIGEST_, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))

    # A table: one line per setting.
    # fmt: off
    database_url: str = Field("sqlite:///var/digest.db", description="Database: sqlite:///PATH or postgresql+psycopg://...")
    broker_url: str = Field("embedded", description="Celery's broker: redis://..., or `embedded` (a folder in DATA_DIR, one machine)")
    public_url: str = Field("http://127.0.0.1:8000", description="Address of the web pages as readers see it; every mailed link starts with it")
    secret_key: SecretStr = Field(SecretStr(""), description="Signs links and forms: 32 characters or more, kept secret")
    secret_keys_old: tuple[SecretStr, ...] = Field((), description="Earlier secret keys, newest first: links signed by them still work")
    hf_url: str = Field("https://huggingface.co", description="Hugging Face, for daily papers")
    arxiv_api_url: str = Field("https://export.arxiv.org/api/query", description="arXiv's query API")
    arxiv_feed_url: str = Field("https://rss.arxiv.org", description="arXiv's announcement feeds")
    arxiv_oai_url: str = Field("https://oaipmh.arxiv.org/oai", description="arXiv's OAI-PMH endpoint, for long back-fills")
    arxiv_categories: tuple[str, ...] = Field(("cs.AI", "cs.CL", "cs.CV", "cs.LG"), description="arXiv categories to read")
    sources: tuple[str, ...] = Field(("huggingface",), description="Sources to read: huggingface, arxiv, file")
    papers_file: Path | None = Field(None, description="JSON lines file that the source `file` reads")
    smtp_host: str = Field("127.0.0.1", description="Mail server that takes our mail")
    smtp_port: int = Field(25, ge=1, le=65535, description="Its port")
    smtp_user: str = Field("", description="Login name, where the server wants one")
    smtp_password: SecretStr = Field(SecretStr(""), description="Login password")
    smtp_security: Literal["none", "starttls", "tls"] = Field("none", description="Encryption: none, starttls or tls; never weaker than this")
    smtp_connections: int = Field(8, ge=1, le=256, description="Connections that one worker keeps open while it sends")
    most_in_doubt: int = Field(1, ge=1, le=256, description="Mails of one worker that may wait for the reply to their last byte at once; so many may arrive twice when it is killed")
    smtp_timeout: float = Field(60.0, gt=0, description="Seconds to wait for a reply to a command")
    smtp_data_timeout: float = Field(600.0, gt=0, description="Seconds to wait for the reply after a whole message")
    send_rate: float = Field(0.0, ge=0, description="Messages a second over all workers; 0 is no cap")
    domain_connections: int = Field(0, ge=0, description="Messages under way at once to one receiving domain; 0 is no cap")
    warm_up_from: str = Field("", description="First day of a new sender, YYYY-MM-DD: the daily cap then doubles every two days; empty for none")
    in_doubt: Literal["resend", "hold"] = Field("resend", description="A mail whose acceptance is unknown: send the same bytes again, or hold it")
    mail_from: str = Field("Digest <digest@localhost>", description="From of every mail")
    mail_reply_to: str = Field("", description="Reply-To; empty for the From address. Somebody should read it")
    bounce_domain: str = Field("", description="Domain of the envelope sender; empty for the domain of MAIL_FROM")
    postal_address: str = Field("", description="Postal address for the foot of the mail, where the law wants one")
    list_id: str = Field("", description="List-Id; empty for digest.<domain of MAIL_FROM>")
    dkim_selector: str = Field("", description="DKIM selector; empty when the mail server signs. Two (rsa,ed25519) may be given with a comma")
    dkim_domain: str = Field("", description="DKIM domain; empty for the domain of MAIL_FROM")
    dkim_key: SecretStr = Field(SecretStr(""), description="DKIM private keys in PEM, one after the other, in the order of the selectors")
    trusted_proxies: tuple[str, ...] = Field((), description="Networks of proxies whose X-Forwarded-For is believed")
    click_tracking: bool = Field(False, description="Links of the mail lead over /k/ so that clicks can be learned from")
    data_dir: Path = Field(Path("var"), description="Folder for journals, the embedded broker and fitted models")
    embeddings_model: Path | None = Field(None, description="Folder of a static sentence model that ranking uses too, from the next fit on")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="Log lines as json or for people; auto asks the terminal")
    admin_password: SecretStr = Field(SecretStr(""), description="Password of /admin; there is no /admin without one")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Secret that signs posts to /hooks/bounces; no hook without one")
    bounce_maildir: Path | None = Field(None, description="Maildir of returned mail, taken in by a beat task")
    language: Literal["en", "de"] = Field("en", description="Language of pages and of mail to readers who chose none")
    stop_on_complaints: bool = Field(True, description="Sending pauses while 0.3 % of the mail is complained of or 10 % has no such address")
    keep_days: int = Field(400, ge=0, description="Days that rows of the ledger, editions, returned mail and runs are kept; 0 is for ever")
    tick_seconds: int = Field(60, ge=1, le=3600, description="How often workers look who is due")
    clock: str = Field("", description="Simulation only: the instant taken as now, with a rate after @; needs SMTP_HOST on loopback")
    demo: bool = Field(False, description="Set by `digest demo`; demo secrets work only there")
    # fmt: on

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if not re.match(r"(sqlite:///.|postgresql\+psycopg://.)", value):
            raise ValueError("use sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        try:
            make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError(
                "host or port cannot be read; use postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME"
            ) from None
        return value

    @field_validator("broker_url")
    @classmethod
    def _check_broker(cls, value: str) -> str:
        if value != "embedded" and not re.match(r"(redis|rediss|redis\+socket)://", value):
            raise ValueError("use redis://HOST:6379/0, or embedded for one machine")
        return value

    @field_validator("public_url", "hf_url", "arxiv_api_url", "arxiv_feed_url", "arxiv_oai_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError where it is none
        if (
            not re.fullmatch(
                r"[!#-;=?-\[\]_a-z~]+", value
            )  # printable ASCII that stands in a header and a link as it is
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
        ):
            raise ValueError("use an address like https://digest.example.org")
        return value.rstrip("/")

    @field_validator("mail_from", "mail_reply_to")
    @classmethod
    def _check_mailbox(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name == "mail_reply_to":
            return value
        address = parseaddr(value)[1]
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address) or re.search(r"[\x00-\x1f]", value):
            raise ValueError("use Name <name@example.org>")
        if not address.isascii():
            raise ValueError("write the address in ASCII; a domain with other letters has a form that begins with xn--")
        return value

    @field_validator("list_id")
    @classmethod
    def _check_list_id(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
            raise ValueError("use a name like digest.example.org, without < and >")
        return value

    @field_validator("smtp_host", "bounce_domain", "dkim_domain")
    @classmethod
    def _check_host(cls, value: str, info: ValidationInfo) -> str:
        if not (value or info.field_name != "smtp_host") or not re.fullmatch(r"[A-Za-z0-9._:-]*", value):
            raise ValueError("use a name like mail.example.org, in ASCII and without spaces")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"{network!r} is no network; use one like 10.0.0.0/8 or 2001:db8::/32") from None
        return value

    @field_validator("arxiv_categories")
    @classmethod
    def _check_categories(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for category in value:
            if not re.fullmatch(r"[a-z-]+(\.[A-Za-z-]{2,})?", category):
                raise ValueError(f"{category!r} is no arXiv category; they look like cs.CL or hep-th")
        return value

    @field_validator("sources")
    @classmethod
    def _check_sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in ("huggingface", "arxiv", "file"):
                raise ValueError(f"{name!r} is no source; choose from huggingface, arxiv, file")
        return value

    @field_validator("embeddings_model")
    @classmethod
    def _check_embeddings(cls, value: Path | None) -> Path | None:
        if value is None or value == Path():
            return None
        for package in ("tokenizers", "safetensors"):
            if find_spec(package) is None:
                raise ValueError(f"{package} is not installed; install digest[embeddings], or leave this empty")
        for name in ("tokenizer.json", "model.safetensors"):
            if not (value / name).is_file():
                raise ValueError(f"there is no {name} in this folder; name one that holds a static sentence model")
        return value

    @field_validator("clock")
    @classmethod
    def _check_clock(cls, value: str) -> str:
        if value:
            parse_clock(value)
        return value

    @field_validator("warm_up_from")
    @classmethod
    def _check_day(cls, value: str) -> str:
        if value and not _is_day(value):
            raise ValueError("use a day like 2026-06-09")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        secret = self.secret_key.get_secret_value()
        if secret.startswith(DEMO_SECRET_MARK) and not self.demo:
            raise ValueError(
                "secret_key: this is a demo secret; make your own with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        if secret and len(secret) < 32:
            raise ValueError(
                "secret_key: shorter than 32 characters; make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        if self.clock and not is_loopback(self.smtp_host):
            raise ValueError(
                "clock: a simulated clock would send real mail at wrong times; set SMTP_HOST to 127.0.0.1 or leave CLOCK empty"
            )
        if self.smtp_user and self.smtp_security == "none" and not is_loopback(self.smtp_host):
            raise ValueError("smtp_security: a password must not travel in clear; use starttls or tls")
        if bool(self.dkim_selector) != bool(self.dkim_key.get_secret_value()):
            raise ValueError("dkim_selector: set both DKIM_SELECTOR and DKIM_KEY, or neither")
        return self

    @cached_property
    def from_address(self) -> str:
        return parseaddr(self.mail_from)[1]

    @cached_property
    def from_domain(self) -> str:
        return self.from_address.rpartition("@")[2].lower()

    @property
    def envelope_domain(self) -> str:
        return self.bounce_domain or self.from_domain

    @property
    def templates_dir(self) -> Path:
        return data_root() / "templates"

    def masked(self) -> dict[str, str]:
        """Name -> value for people to read, secrets and passwords in URLs masked."""
        return {PREFIX + name.upper(): mask(getattr(self, name)) for name in type(self).model_fields}


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def mask(value: object) -> str:
    """The value as text that may be shown."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(mask(one) for one in value)
    if value is None:
        return ""
    return re.sub(r"(://[^:/@\s]*:)[^@/\s]+@", rf"\1{MASK}@", str(value))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_clock(value: str) -> tuple[datetime, float]:
    """`2026-06-09T00:00:00Z` or `...@600` -> (instant, seconds that pass in one real second).

    Raises ValueError with what was expected.
    """
    instant, _, rate = value.partition("@")
    try:
        at = datetime.fromisoformat(instant.replace("Z", "+00:00"))
        speed = float(rate) if rate else 1.0
    except ValueError:
        raise ValueError(
            "use an instant like 2026-06-09T00:00:00Z, with @600 after it to run 600 times as fast"
        ) from None
    if at.tzinfo is None or speed <= 0:
        raise ValueError("use an instant with its zone, like 2026-06-09T00:00:00Z, and a rate above 0")
    if not 1990 <= at.year <= 2199 or not speed <= MOST_RATE:
        raise ValueError(f"use a year from 1990 to 2199, and a rate of {MOST_RATE:,.0f} at most")
    return at.astimezone(UTC), speed


def load(overrides: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> Settings:
    """Read all settings. Raises SettingsError naming variable, value and remedy."""
    env = dict(os.environ if environ is None else environ)
    values = _from_toml(data_root() / "config" / "default.toml")
    if config := env.get(PREFIX + "CONFIG"):
        values |= _from_toml(Path(config))
    values |= _from_environ({**_dotenv(), **env} if environ is None else env)
    values |= overrides or {}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(one, values) for one in error.errors())) from None


def misspelt() -> dict[str, str]:
    """Variables of the environment and .env that are no settings but nearly are -> the name that was probably meant."""
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    known = {*names, *(name + "_FILE" for name in names), PREFIX + "CONFIG"}
    given = (name for name in {**_dotenv(), **os.environ} if name.startswith(PREFIX))
    unknown = (name for name in given if name not in known and not name.startswith(PREFIX + "TEST_"))
    return {name: meant[0] for name in sorted(unknown) if (meant := get_close_matches(name, names, 1, 0.85))}


def _dotenv() -> dict[str, str | None]:
    try:
        return dotenv_values(".env")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f".env: cannot be read ({error}). Correct its permissions, or write it anew in UTF-8."
        ) from None


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror}). Correct DIGEST_CONFIG, or write the file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML ({error}). Correct the file.") from None
    return {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}


def _from_environ(env: Mapping[str, str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, info in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        text = env.get(variable)
        if path := env.get(variable + "_FILE"):
            try:
                text = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(
                    f"{variable}_FILE={path}: cannot be read ({error.strerror}). Correct the path or its permissions."
                ) from None
            except UnicodeDecodeError:
                raise SettingsError(f"{variable}_FILE={path}: is not text in UTF-8. Write the file anew.") from None
        if text is None:
            continue
        is_list = "tuple" in str(info.annotation)
        found[name] = tuple(filter(None, (part.strip() for part in text.split(",")))) if is_list else text
        if text == "" and "None" in str(info.annotation):
            found[name] = None
    return found


def _explain(error: Any, values: dict[str, Any]) -> str:
    message = re.sub(r"^Value error, ", "", error["msg"])
    name = str(error["loc"][0]) if error["loc"] else message.partition(":")[0]
    if not error["loc"]:
        message = message.partition(": ")[2]
    if name not in Settings.model_fields:
        return f"{name}: there is no such setting. Run `digest settings` for the list."
    is_secret = "Secret" in str(Settings.model_fields[name].annotation)
    shown = MASK if is_secret else mask(values.get(name, Settings.model_fields[name].default))
    return f"{PREFIX}{name.upper()}={shown}: {message}."
