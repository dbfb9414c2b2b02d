"""The signed webhook by which a mail server or provider hands in bounces and complaints."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from digest.feedback.returns import Report, take_in
from digest.pipeline import take_in_by
from digest.subscribers.address import AddressRefused
from digest.subscribers.address import parse as parse_address
from digest.web import errors, limits
from digest.web.errors import Problem
from digest.web.language import words
from digest.web.site import site

blueprint = Blueprint("hooks", __name__)
SIGNATURE = "X-Digest-Signature"
TOLERANCE_SECONDS = 300
_KINDS = ("hard", "soft", "complaint")
_MOST = 1_000


@blueprint.post("/hooks/bounces")
def bounces() -> Response:
    """Reports as JSON (one or a list), or one whole returned message; says what was done with each."""
    here, body = site(), request.get_data(cache=False)
    secret = here.settings.webhook_secret.get_secret_value()
    if not secret:
        abort(404)
    limits.spend(limits.REPORTS, "hooks", limits.client())
    _ = words().gettext
    if not is_signed(body, request.headers.get(SIGNATURE, ""), secret, here.now().timestamp()):
        return _refused(403, _("The signature does not fit the body, or its time is more than five minutes away."))
    if request.mimetype != "application/json":
        return jsonify(taken=take_in_by(here.engine, here.links, body, here.now()))
    try:
        reports = read_reports(body)
    except ValueError as error:
        return _refused(400, str(error))
    taken = []
    for report in reports:
        with here.writing() as connection:
            taken.append(take_in(connection, report, here.now()))
    return jsonify(taken=taken)


def is_signed(body: bytes, header: str, secret: str, now: float) -> bool:
    """`t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>." and the body>`; an old one may be a replay and is refused."""
    found = re.fullmatch(r"t=([0-9]{1,12}),\s?v1=([0-9a-f]{64})", header, re.ASCII)
    if not found or abs(now - int(found[1])) > TOLERANCE_SECONDS:
        return False
    return hmac.compare_digest(signature(body, int(found[1]), secret), found[2])


def signature(body: bytes, at: int, secret: str) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def read_reports(body: bytes) -> list[Report]:
    """Reports in JSON. Raises ValueError with what is wrong; then none of them counts."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("The body is not valid JSON.") from None
    items = given if isinstance(given, list) else [given]
    if len(items) > _MOST:
        raise ValueError(f"There are more than {_MOST} reports. Send them in parts.")
    return [_report(item) for item in items]


def _report(item: Any) -> Report:
    if not isinstance(item, dict) or item.get("kind") not in _KINDS:
        raise ValueError(f"A report needs a kind: one of {', '.join(_KINDS)}.")
    try:
        address = parse_address(_text(item, "address"))
    except AddressRefused as refused:
        raise ValueError(str(refused)) from None
    status = _text(item, "status")
    if status and not re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", status, re.ASCII):
        raise ValueError("The status must look like 5.1.1 (RFC 3463).")
    name = _text(item, "id") or json.dumps(item, sort_keys=True)
    report_hash = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return Report(item["kind"], status or None, _text(item, "detail"), report_hash, address=address)


def _text(item: dict[str, Any], name: str) -> str:
    given = item.get(name, "")
    if not isinstance(given, str):
        raise ValueError(f"{name} must be text.")  # noqa: TRY004
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", " ", given)[:1_000]


def _refused(status: int, why: str) -> Response:
    _ = words().gettext
    return errors.answer(status, Problem(_("The report was not taken in."), why, _("Correct it and send it again.")))
