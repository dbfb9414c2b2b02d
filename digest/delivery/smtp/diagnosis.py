"""Which part of handing over mail fails, for an operator who asks."""

from __future__ import annotations

from dataclasses import dataclass

from digest.delivery.outcomes import Outcome, Phase, no_reply
from digest.delivery.smtp.connection import Connection
from digest.delivery.smtp.loop import alone
from digest.delivery.smtp.server import Server, Unreachable
from digest.delivery.smtp.wire import Lost


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a diagnosis: `name` is DNS, connection, TLS, login or sender; `text` says why where it failed."""

    name: str
    is_good: bool
    text: str = ""


_STEPS = (
    ("DNS", (Phase.DNS,)),
    ("connection", (Phase.CONNECT, Phase.GREETING)),
    ("TLS", (Phase.TLS,)),
    ("login", (Phase.AUTH,)),
    ("sender", (Phase.MAIL,)),
)


def diagnose(server: Server, mail_from: str) -> list[Step]:
    """Try everything but sending; the steps in order, the last one is the one that failed, if any did."""
    failed = alone(_failure(server, mail_from))
    steps: list[Step] = []
    for name, phases in _STEPS:
        if failed and failed.phase in phases:
            said = " ".join(str(part) for part in (failed.code, failed.status, failed.text) if part)
            return [*steps, Step(name, False, said)]
        steps.append(Step(name, True))
    return steps


async def _failure(server: Server, mail_from: str) -> Outcome | None:
    try:
        connection = await Connection.open(server)
    except Unreachable as error:
        return error.outcome
    try:
        return await connection.greet_sender(mail_from)
    except (Lost, ValueError) as error:
        return no_reply(Phase.MAIL, str(error))
    finally:
        await connection.close()
