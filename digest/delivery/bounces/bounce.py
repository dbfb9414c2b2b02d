"""What one returned mail says about one recipient."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How grave it is: hard stops at once, soft is counted, a complaint stops for ever, an auto-reply means nothing."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto-reply"


@dataclass(frozen=True, slots=True)
class Bounce:
    """One recipient of one report. All of it is a claim of the report, to be checked against the signed address.

    recipient: the address we wrote to, as far as the report names it; None when it hides it.
    status: enhanced status code (RFC 3463) such as "5.1.1", only where one stands in the report.
    reason: what the other server said, one line of at most 200 characters; untrusted text.
    to: the addresses this report was sent to, most reliable first: where a signed return path is looked up.
    return_path: the return path of the mail that came back, for gateways that answer to another address.
    original_message_id: Message-ID of the mail that came back, with its angle brackets.
    """

    kind: Kind
    recipient: str | None
    status: str | None
    reason: str
    to: tuple[str, ...] = ()
    return_path: str | None = None
    original_message_id: str | None = None
