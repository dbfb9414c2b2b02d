"""What every request passes: size, origin; and what every answer carries: security headers, cache rules, an ETag."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, request

from digest.web import forms
from digest.web.site import site

FORM_BYTES = 16 * 1024
READER_BYTES = 512 * 1024  # all that preferences can hold, in any script, or a BibTeX file that a reader brings along
REPORT_BYTES = 2 * 1024 * 1024  # returned mail that the bounce hook takes
PUBLIC_SECONDS = 60
_TOKEN_RULES = ("/c/", "/u/", "/p/", "/a/", "/k/", "/v/", "/e/")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def init_app(app: Flask) -> None:
    app.before_request(_refuse_unprintable)
    app.before_request(_refuse_big)
    app.before_request(_refuse_foreign)
    app.after_request(_cache)
    app.after_request(_secure)


def _refuse_unprintable() -> None:
    """No page has a control character in its address, and PostgreSQL takes no NUL in a value."""
    if _CONTROL.search(request.path):
        abort(404)


def _refuse_big() -> None:
    request.max_content_length = request.max_form_memory_size = _most_bytes(request.path)
    if (request.content_length or 0) > request.max_content_length:
        abort(413)


def _most_bytes(path: str) -> int:
    if path.startswith("/hooks/"):
        return REPORT_BYTES
    return READER_BYTES if path.startswith("/p/") else FORM_BYTES


def _refuse_foreign() -> None:
    """A form on somebody else's site must not act here. One-click posts come from mail providers and are let through."""
    if request.method not in _CHANGING or request.path.startswith(("/hooks/", "/u/")):
        return
    if not is_from_here(request, site().settings.public_url):
        abort(403, "foreign")


def is_from_here(asked: Request, public_url: str) -> bool:
    """By Sec-Fetch-Site, else by Origin. A program that sends neither has no cookies of a reader to misuse.

    Our pages without a referrer send `Origin: null` with their own forms, so null alone proves nothing.
    """
    fetched_by = asked.headers.get("Sec-Fetch-Site")
    if fetched_by is not None:
        return fetched_by in ("same-origin", "none")
    origin = asked.headers.get("Origin", "null")
    if origin == "null":
        return True
    ours = urlsplit(public_url)
    return origin.lower() in (f"{ours.scheme}://{ours.netloc}".lower(), f"{asked.scheme}://{asked.host}".lower())


def _secure(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith(_TOKEN_RULES):
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex"
    if site().settings.public_url.startswith("https://"):
        response.headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    return response


def _cache(response: Response) -> Response:
    """Public pages may be kept for a minute and asked for again by ETag; all others are nobody's to keep."""
    if "Cache-Control" in response.headers:
        return response
    if (
        request.method not in ("GET", "HEAD")
        or response.status_code != 200
        or request.path.startswith((*_TOKEN_RULES, "/admin"))
    ):
        response.headers["Cache-Control"] = "no-store, private"
        return response
    response.headers["Cache-Control"] = f"public, max-age={PUBLIC_SECONDS}"
    response.vary.add("Accept-Language")
    if not response.get_etag()[0]:
        response.set_etag(fingerprint(response), weak=True)
    response.make_conditional(request)
    return response


def fingerprint(response: Response) -> str:
    """Of the page without the tokens of its forms."""
    return hashlib.sha256(b"".join(forms.around_tokens(response.get_data()))).hexdigest()[:32]
