"""The language of a page: the one asked for, else the browser's, else the site's."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from flask import Flask, g, request

from digest.rendering.wording import LANGUAGES, Words, words_for
from digest.subscribers.refusal import Refusal
from digest.web import forms
from digest.web.site import site


def init_app(app: Flask) -> None:
    app.context_processor(_context)


def words() -> Words:
    """The wording of this request."""
    if "language" not in g:
        g.language = _asked() or site().settings.language
    return words_for(g.language)


def speak(language: str) -> None:
    """From here on this request is answered in a reader's own language."""
    g.language = language


def spoken(refused: Mapping[str, Refusal]) -> dict[str, str]:
    """Field name -> what is wrong with it, in the language of this request."""
    return {name: refusal.said(words().gettext) for name, refusal in refused.items()}


def _asked() -> str | None:
    named = request.args.get("lang", "")
    return named if named in LANGUAGES else request.accept_languages.best_match(LANGUAGES)


def _context() -> dict[str, Any]:
    said = words()
    settings = site().settings
    name = parseaddr(settings.mail_from)[0] or "Digest"
    return {
        "_": said.gettext,
        "count": said.count,
        "words": said,
        "form_token": forms.token,
        "settings": settings,
        "site_name": name,
        "now": site().now(),
    }
