"""Reads spam complaints: feedback reports (RFC 5965) and the older form of Outlook.com."""

import re

from digest.delivery.bounces.mail import Mail, first, read_fields
from digest.delivery.bounces.prose import addresses_in

# Not "not-spam" (RFC 6430), "auth-failure" (RFC 6591) or what a cut report leaves of them: a complaint stops for ever.
_COMPLAINT = re.compile(r"abuse|fraud|virus|other|opt-?out|spam|junk|complain|miscategorized|unsub", re.IGNORECASE)
_TYPE = re.compile(r"^feedback-type\s*:[ \t]*([\w-]{1,40})", re.IGNORECASE | re.MULTILINE)
_NAMED = ("original-rcpt-to", "removal-recipient", "original-recipient")
_RETURNED_NAMES = ("x-hmxmroriginalrecipient", "x-original-to", "x-apparently-to", "to")


def feedback_type(mail: Mail) -> str | None:
    """The kind of feedback a mail reports ("abuse", "not-spam", ...), None for a mail that is no such report."""
    for part in mail.parts:
        if part.media_type == "message/feedback-report" or (
            mail.report_type == "feedback-report" and "eedback-" in part.text
        ):
            match = _TYPE.search(part.text)
            return match[1].lower() if match else first(part.fields, "feedback-type").lower()
    subject, sender = mail.first("subject").lower(), mail.first("from").lower()
    is_outlook = "complaint about message from" in subject and re.search(
        r"@(?:hotmail|outlook|msn|live|microsoft)\.", sender
    )
    return "abuse" if is_outlook else None


def is_complaint(kind: str) -> bool:
    """Whether a reader wants no more mail, and not merely a server that reports a forged or wanted one."""
    return bool(_COMPLAINT.match(kind))


def complainers(mail: Mail, returned: str) -> list[str]:
    """The addresses that complained: as the report names them, else as the mail that came back was addressed."""
    for part in mail.parts:
        if part.media_type != "message/feedback-report" and mail.report_type != "feedback-report":
            continue
        fields = read_fields(part.text)
        named = [value for name in _NAMED for value in fields.get(name, [])]
        if found := [address for value in named for address in addresses_in(value)]:
            return list(dict.fromkeys(found))
    fields = read_fields(returned)
    for name in _RETURNED_NAMES:
        if found := addresses_in(first(fields, name)[:2000]):
            return found[:1]
    return []
