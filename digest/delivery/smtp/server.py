"""The mail server as the settings describe it, and the error of not getting through to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum

from digest.delivery.outcomes import Outcome


class Security(StrEnum):
    """What must be true of a connection; never less is accepted than was asked for."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over and how; `tls` replaces the certificates of the system.

    Time-outs are those of RFC 5321 4.5.3.2 or shorter; `eod` is the wait for the reply to the final dot.
    """

    host: str
    port: int = 587
    security: Security = Security.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    hello: str = "localhost"
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    connect_timeout_s: float = 30.0
    command_timeout_s: float = 60.0
    data_timeout_s: float = 180.0
    eod_timeout_s: float = 600.0
    messages_per_connection: int = 1000


class Unreachable(Exception):
    """No connection that mail may be sent on; `outcome` says in which phase and why. No mail was tried."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.phase}: {outcome.text}")
        self.outcome = outcome
