"""Received mails on disk: `000001.eml` holds the bytes as they came, `000001.json` the envelope; nothing is kept in memory."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from email.policy import default
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Lock


@dataclass(frozen=True)
class Mail:
    """One received mail. Its headers and bodies are read from `path` when they are asked for."""

    number: int
    envelope_from: str
    envelope_to: tuple[str, ...]
    received_at: datetime
    path: Path

    @property
    def raw(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def headers(self) -> EmailMessage:
        with self.path.open("rb") as file:
            return _as_email(BytesHeaderParser(policy=default).parse(file))

    @cached_property
    def message(self) -> EmailMessage:
        with self.path.open("rb") as file:
            return _as_email(BytesParser(policy=default).parse(file))

    @property
    def subject(self) -> str:
        return str(self.headers["Subject"] or "")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def header_text(self) -> str:
        """The header fields as they came, folds included."""
        return re.split(rb"\r?\n\r?\n", self.raw, maxsplit=1)[0].decode("utf-8", "replace")

    @property
    def one_click_url(self) -> str | None:
        """Where one POST ends the subscription (RFC 8058 section 3.1), if the mail offers that."""
        offers_post = str(self.headers["List-Unsubscribe-Post"] or "").strip() == "List-Unsubscribe=One-Click"
        found = re.search(r"<(https?://[^>\s]+)>", str(self.headers["List-Unsubscribe"] or ""))
        return found[1] if found and offers_post else None

    def _body(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except LookupError:  # a charset that Python does not know
            payload = part.get_payload(decode=True)
            return payload.decode("latin-1") if isinstance(payload, bytes) else ""


def _as_email(message: object) -> EmailMessage:
    assert isinstance(message, EmailMessage)  # the policy `default` makes no other
    return message


class MailFolder:
    """Mails of one folder, numbered from 1 as they come; a folder that already holds some is continued."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._numbers = count(max(self.numbers(), default=0) + 1)
        self._lock = Lock()

    def add(self, raw: bytes, envelope_from: str, envelope_to: tuple[str, ...], received_at: datetime) -> int:
        """Store one mail and give its number. The .eml appears last and whole, so a reader never sees half a mail."""
        with self._lock:
            number = next(self._numbers)
        envelope = {"from": envelope_from, "to": envelope_to, "received_at": received_at.isoformat()}
        self._file(number, "json").write_text(json.dumps(envelope), encoding="utf-8")
        partial = self._file(number, "partial")
        partial.write_bytes(raw)
        partial.rename(self._file(number, "eml"))
        return number

    def numbers(self) -> list[int]:
        """Numbers of all mails, oldest first."""
        return sorted(int(file.stem) for file in self.path.glob("[0-9]*.eml"))

    def mail(self, number: int) -> Mail:
        """One mail. Raises KeyError where there is none of that number."""
        try:
            envelope = json.loads(self._file(number, "json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise KeyError(number) from None
        return Mail(
            number,
            envelope["from"],
            tuple(envelope["to"]),
            datetime.fromisoformat(envelope["received_at"]),
            self._file(number, "eml"),
        )

    def mails(self, to: str = "") -> list[Mail]:
        """All mails, or those to one address, oldest first."""
        return [mail for mail in map(self.mail, self.numbers()) if not to or to in mail.envelope_to]

    def _file(self, number: int, ending: str) -> Path:
        return self.path / f"{number:06d}.{ending}"
