"""The signed time in a form: that a page of ours was looked at, and for how long. It needs no cookie."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flask import request
from itsdangerous import BadSignature, URLSafeSerializer

from digest.web.site import site

NAME = "form"
TOKEN_FIELD = re.compile(rb'name="form" value="[^"]*"')
HONEYPOT = "website"
SHORTEST_SECONDS = 2.0
LONGEST_SECONDS = 48 * 3600


@dataclass(frozen=True, slots=True)
class Filled:
    """How a form was filled in. `seconds` since its page was made; None when it carries no time of ours."""

    seconds: float | None
    is_trapped: bool  # the field that people do not see was filled in

    @property
    def is_hasty(self) -> bool:
        return self.seconds is not None and self.seconds < SHORTEST_SECONDS


def token() -> str:
    """For the hidden field of a form. A form shown again keeps its time: the person has been at it since then."""
    given = request.form.get(NAME, "") if request.method == "POST" else ""
    if given and _seconds(given) is not None:
        return given
    return _serializer().dumps(round(site().now().timestamp(), 1))


def around_tokens(page: bytes) -> list[bytes]:
    """A page in pieces, without the tokens of its forms: they differ each time and change nothing for the reader."""
    return TOKEN_FIELD.split(page)


def with_tokens(pieces: Iterable[bytes]) -> bytes:
    """The page of these pieces, with fresh tokens."""
    return f'name="form" value="{token()}"'.encode().join(pieces)


def filled() -> Filled:
    """How the form of this request was filled in."""
    return Filled(_seconds(request.form.get(NAME, "")), bool(request.form.get(HONEYPOT)))


def _seconds(given: str) -> float | None:
    try:
        made_at = float(_serializer().loads(given))
    except (BadSignature, TypeError, ValueError):
        return None
    passed = site().now().timestamp() - made_at
    return passed if 0 <= passed <= LONGEST_SECONDS else None


def _serializer() -> URLSafeSerializer:
    secrets = site().settings
    keys = [key.get_secret_value() for key in (*reversed(secrets.secret_keys_old), secrets.secret_key)]
    return URLSafeSerializer(keys, salt="form")
