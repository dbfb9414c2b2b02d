"""Handing mail to an SMTP server: from the socket (wire) over the dialogue (connection) to several at once (pool)."""

from digest.delivery.smtp.connection import Connection
from digest.delivery.smtp.diagnosis import Step, diagnose
from digest.delivery.smtp.envelope import Envelope
from digest.delivery.smtp.pool import Pool
from digest.delivery.smtp.server import Security, Server, Unreachable

__all__ = ["Connection", "Envelope", "Pool", "Security", "Server", "Step", "Unreachable", "diagnose"]
