"""Which links of a source may be shown: https, to a public host by its name, and nothing hidden in them."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

import idna

_LONGEST = 2_000
_FORGES = ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "huggingface.co", "gitee.com", "sr.ht")
_SERVE_HTTPS = (*_FORGES, "github.io", "gitlab.io", "vercel.app", "netlify.app", "pages.dev", "readthedocs.io")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}", re.ASCII)
_HOST = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])", re.ASCII
)
_NOT_PUBLIC = (".local", ".localhost", ".internal", ".intranet", ".lan", ".home", ".corp", ".onion", ".arpa")
_SAFE = "/:@!$&'()*+,;=-._~%"


def code(given: str | None) -> str | None:
    """A repository at a known forge: its address, or GitHub's `owner/name`."""
    if given is None:
        return None
    if _REPOSITORY.fullmatch(given.strip()):
        return f"https://github.com/{given.strip()}"
    link = page(given)
    return link if link and _is_at(urlsplit(link).hostname or "", _FORGES) else None


def page(given: str | None) -> str | None:
    """The link as it may be shown, or None. Plain http is raised to https only where the host is known to serve it."""
    text = (given or "").strip().replace("&amp;", "&")
    if not text or len(text) > _LONGEST or re.search(r"[\s\\<>\"'`{}|^\x00-\x20\x7f]", text):
        return None
    try:
        parts = urlsplit(text)
        host, port = _ascii(parts.hostname or ""), parts.port
        tail = (quote(parts.path, _SAFE), quote(parts.query, _SAFE + "?"), quote(parts.fragment, _SAFE + "?"))
    except ValueError:  # UnicodeError among them: no IDNA name, or half a character
        return None
    if parts.username is not None or parts.password is not None or port not in (None, 443) or not _is_public(host):
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_at(host, _SERVE_HTTPS)):
        return None
    return urlunsplit(("https", host, *tail))


def _ascii(host: str) -> str:
    """The name as IDNA 2008 writes it (RFC 5891): the older IDNA would lead from straße.example to strasse.example."""
    return host if host.isascii() and "xn--" not in host else idna.encode(host, uts46=True).decode("ascii")


def _is_public(host: str) -> bool:
    return _HOST.fullmatch(host) is not None and not host.endswith(_NOT_PUBLIC)


def _is_at(host: str, places: tuple[str, ...]) -> bool:
    return any(host == place or host.endswith("." + place) for place in places)
