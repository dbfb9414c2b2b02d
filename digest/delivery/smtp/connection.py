"""One SMTP connection: the dialogue of RFC 5321, an outcome for every mail before the next one starts."""

from __future__ import annotations

import contextlib
import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence

from digest.delivery.outcomes import (
    SKIPPED,
    TAKEN,
    Against,
    Outcome,
    Phase,
    Reply,
    Verdict,
    judge,
    no_reply,
    parse_reply,
)
from digest.delivery.smtp.envelope import Envelope, host_name, path, stuffed
from digest.delivery.smtp.server import Security, Server, Unreachable
from digest.delivery.smtp.wire import Lost, Wire, connect, look_up

BeforeDot = Callable[[int], Awaitable[bool]]
Step = tuple[bytes, tuple[Phase, ...]]  # commands that leave in one write, and what each is answered in

# What nearly every server says to nearly every mail; anything else is read reply by reply.
_YES, _GO_ON = rb"25[0-9] [^\n]{0,500}\n", rb"354 [^\n]{0,500}\n"
_USUAL = {
    (Phase.MAIL, Phase.RCPT, Phase.DATA): re.compile(_YES + _YES + _GO_ON),
    (Phase.MAIL,): re.compile(_YES),
    (Phase.RCPT,): re.compile(_YES),
    (Phase.DATA,): re.compile(_GO_ON),
    (Phase.EOD,): re.compile(rb"250 [^\n]{0,500}\n"),
}


def always(_id: int) -> bool:
    """Every mail is wanted."""
    return True


async def at_once(_id: int) -> bool:
    """Every dot may leave."""
    return True


class Connection:
    """An open, secured, logged-in connection, for one mail at a time.

    `carried` counts the mails it was used for; `is_open` turns false when the server or the network ended it.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._phase = Phase.DNS
        self._wire: Wire | None = None
        self._extensions: dict[str, str] = {}
        self.carried = 0

    @classmethod
    async def open(cls, server: Server) -> Connection:
        """A connection that is ready for mail, or `Unreachable`."""
        connection = cls(server)
        try:
            await connection._open()
        except Unreachable as error:
            outcome = error.outcome
        except (Lost, ValueError) as error:  # ValueError: what cannot be a host name
            outcome = no_reply(connection._phase, str(error))
        except BaseException:
            connection._abandon()
            raise
        else:
            return connection
        connection._abandon()
        raise Unreachable(outcome)  # a new one: the frames below hold the password

    @property
    def is_open(self) -> bool:
        return self._wire is not None

    async def close(self) -> None:
        """Say QUIT and close; a server that has already gone is no error."""
        if self._wire is not None:
            with contextlib.suppress(Lost):
                await self._command(b"QUIT", timeout_s=min(5.0, self._server.command_timeout_s))
        self._abandon()

    async def send(
        self,
        envelope: Envelope,
        still_wanted: Callable[[int], bool] = always,
        before_dot: BeforeDot = at_once,
    ) -> Outcome:
        """Hand over one mail and wait for the last reply; whatever server and network do becomes the outcome.

        Until all of the final dot has left every failure is `deferred`: nothing was delivered. From then on until its reply
        it is `uncertain`. `still_wanted(id)` is asked the moment before each write that brings the mail nearer to DATA,
        `before_dot(id)` when the server waits for the mail: true, and all of it leaves; false, and all but the dot, which
        leaves when it was asked again and says true. What these two raise is raised.
        """
        self.carried += 1
        self._phase = Phase.MAIL
        try:
            commands = self._commands(envelope)
            if isinstance(commands, Outcome):
                return commands
            if self._live.has_unread:
                raise Lost("the server spoke out of turn")
            refused = await self._envelope(envelope.id, commands, still_wanted)
            return refused or await self._data(envelope, before_dot)
        except Lost as lost:
            self._abandon()
            return no_reply(self._phase, str(lost))
        except BaseException:
            self._abandon()  # in the middle of a mail: of no use to the next one
            raise

    async def greet_sender(self, mail_from: str) -> Outcome | None:
        """Offer `mail_from` without sending anything; None when the server would take mail from it."""
        self._phase = Phase.MAIL
        reply = await self._command(b"MAIL FROM:<" + path(mail_from) + b">")
        return None if _is_yes(reply) else judge(Phase.MAIL, reply)

    # -- opening -------------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        server = self._server
        addresses = await look_up(server.host, server.port)
        self._phase = Phase.CONNECT
        self._wire = await connect(addresses, server.connect_timeout_s)
        if server.security is Security.TLS:
            await self._start_tls()
        self._phase = Phase.GREETING
        self._must(parse_reply(await self._wire.read_reply(server.command_timeout_s)))
        await self._hello()
        if server.security is Security.STARTTLS:
            await self._upgrade()
        if server.user:
            await self._login()

    async def _hello(self) -> None:
        """EHLO, or HELO where that is unknown (RFC 5321 3.2); what was offered before is forgotten (RFC 3207 4.2)."""
        wire, name = self._live, host_name(self._server.hello)
        await wire.write(b"EHLO " + name + b"\r\n", timeout_s=self._server.command_timeout_s)
        lines = await wire.read_reply(self._server.command_timeout_s)
        reply = parse_reply(lines)
        if reply.code is not None and reply.code >= 500:
            self._must(await self._command(b"HELO " + name))
            lines = []
        else:
            self._must(reply)
        self._extensions = dict(_extension(line) for line in lines[1:])

    async def _upgrade(self) -> None:
        """STARTTLS, required (RFC 3207). What the server sent in clear behind its 220 could be anyone's: give up."""
        self._phase = Phase.TLS
        if "STARTTLS" not in self._extensions:
            raise self._unfit("the server offers no STARTTLS; nothing is sent without it (SMTP_SECURITY)")
        self._must(await self._command(b"STARTTLS"))
        if self._live.has_unread:
            raise self._unfit("the server spoke in clear after STARTTLS")
        await self._start_tls()
        self._phase = Phase.GREETING
        await self._hello()

    async def _start_tls(self) -> None:
        self._phase = Phase.TLS
        context = self._server.tls or ssl.create_default_context()
        await self._live.start_tls(context, self._server.host, self._server.connect_timeout_s)

    async def _login(self) -> None:
        """AUTH PLAIN, else LOGIN (RFC 4954); never over a line that others can read."""
        self._phase = Phase.AUTH
        if not self._live.is_private:
            raise self._unfit("the password is not sent without TLS (SMTP_SECURITY)")
        offered = self._extensions.get("AUTH", "").split()
        user, password = self._server.user.encode(), self._server.password.encode()
        if "PLAIN" in offered:
            self._must(await self._command(b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + password)))
        elif "LOGIN" in offered:
            self._must(await self._command(b"AUTH LOGIN"), 3)
            self._must(await self._command(b64encode(user)), 3)
            self._must(await self._command(b64encode(password)))
        else:
            raise self._unfit("the server offers no login by PLAIN or LOGIN")

    def _must(self, reply: Reply, digit: int = 2) -> None:
        if reply.code is None or reply.code // 100 != digit:
            raise Unreachable(judge(self._phase, reply))

    def _unfit(self, why: str) -> Unreachable:
        return Unreachable(Outcome(Verdict.DEFERRED, Against.SITE, self._phase, text=why))

    # -- one mail ------------------------------------------------------------------------------------------------------

    def _commands(self, envelope: Envelope) -> Sequence[Step] | Outcome:
        """MAIL, RCPT and DATA, in one write where the server allows it (RFC 2920 3.1); or the outcome that needs no try."""
        limit = self._extensions.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < len(envelope.data):  # RFC 1870 4: 0 is no limit
            return _too_big(f"the mail has {len(envelope.data)} bytes, the server takes {limit}")
        try:
            sender, reader = path(envelope.mail_from), path(envelope.rcpt_to)
        except ValueError as error:
            return _not_tried(str(error))
        options = b""
        if "SIZE" in self._extensions:
            options += b" SIZE=%d" % len(envelope.data)
        if not (sender.isascii() and reader.isascii()):
            if "SMTPUTF8" not in self._extensions:
                return _not_tried("this server cannot take an address with letters outside ASCII (no SMTPUTF8)")
            options += b" SMTPUTF8" + (b"" if envelope.data.isascii() else b" BODY=8BITMIME")
        mail, to = b"MAIL FROM:<%b>%b\r\n" % (sender, options), b"RCPT TO:<%b>\r\n" % reader
        if "PIPELINING" in self._extensions:
            return ((mail + to + b"DATA\r\n", (Phase.MAIL, Phase.RCPT, Phase.DATA)),)
        return (mail, (Phase.MAIL,)), (to, (Phase.RCPT,)), (b"DATA\r\n", (Phase.DATA,))

    async def _envelope(self, id: int, steps: Sequence[Step], still_wanted: Callable[[int], bool]) -> Outcome | None:
        """Say the commands; None when the server waits for the mail."""
        for said, awaited in steps:
            if not still_wanted(id):
                if awaited[0] is not Phase.MAIL:
                    await self._reset()
                return SKIPPED
            await self._live.write(said, timeout_s=self._server.command_timeout_s)
            if refused := await self._answers(awaited):
                return refused
        return None

    async def _answers(self, awaited: tuple[Phase, ...]) -> Outcome | None:
        """Read every answer to one write; the first refusal counts, and the connection is made fit for the next mail."""
        wire, timeout_s = self._live, self._server.command_timeout_s
        self._phase = awaited[0]
        if await wire.reads(_USUAL[awaited], timeout_s):
            self._phase = awaited[-1]
            return None
        refused: Outcome | None = None
        is_in_data = False
        for phase in awaited:
            self._phase = phase
            try:
                lines = await wire.read_reply(timeout_s)
            except Lost:
                if refused is None:
                    raise
                self._abandon()
                return refused
            is_in_data = phase is Phase.DATA and lines[-1].startswith(b"354")
            if is_in_data or (phase is not Phase.DATA and lines[-1].startswith(b"25")):
                continue
            reply = parse_reply(lines)
            refused = refused or judge(self._phase, reply)
            if not _is_no(reply):
                self._abandon()  # 421, or an answer to something else: what follows cannot be trusted
                return refused
        if refused:
            await self._leave(refused, is_in_data)
        return refused

    async def _data(self, envelope: Envelope, before_dot: BeforeDot) -> Outcome:
        wire, server, rest = self._live, self._server, stuffed(envelope)
        try:
            while not await before_dot(envelope.id):
                await wire.write(rest, timeout_s=server.data_timeout_s)
                rest = b""
            if wire.has_unread:  # said before it could know the mail: to take it for the answer could lose one
                raise Lost("the server spoke out of turn")
            await wire.write(rest, b".\r\n", timeout_s=server.data_timeout_s)
        except Lost:
            if refused := await self._last_words():
                return refused
            raise
        self._phase = Phase.EOD
        if await wire.reads(_USUAL[Phase.EOD,], server.eod_timeout_s):
            return TAKEN  # as nearly all are
        reply = parse_reply(await wire.read_reply(server.eod_timeout_s))
        if not (_is_yes(reply) or _is_no(reply)):
            self._abandon()
        return judge(Phase.EOD, reply)

    async def _leave(self, refused: Outcome, is_in_data: bool) -> None:
        """Get out of a refused transaction; the outcome stands, whatever becomes of the connection.

        A server that wants the mail of a refused recipient gets an empty one, which goes nowhere (RFC 2920 3.1).
        """
        if not is_in_data:
            await self._reset()
        elif refused.phase is Phase.RCPT:
            try:
                await self._command(b".", timeout_s=self._server.eod_timeout_s)
            except Lost:
                self._abandon()  # a late answer would be taken for the next mail's
        else:  # it refused the sender and took the recipient: an empty mail might arrive
            self._abandon()

    async def _reset(self) -> None:
        try:
            is_clean = _is_yes(await self._command(b"RSET"))
        except Lost:
            is_clean = False
        if not is_clean:
            self._abandon()

    async def _last_words(self) -> Outcome | None:
        """Why the server hung up while the mail was being written, if it said so."""
        try:
            reply = parse_reply(await self._live.read_reply(1.0))
        except Lost:
            return None
        self._abandon()
        return judge(Phase.DATA, reply) if reply.code is not None and reply.code >= 400 else None

    async def _command(self, line: bytes, timeout_s: float | None = None) -> Reply:
        wire, timeout_s = self._live, timeout_s or self._server.command_timeout_s
        await wire.write(line + b"\r\n", timeout_s=timeout_s)
        return parse_reply(await wire.read_reply(timeout_s))

    @property
    def _live(self) -> Wire:
        if self._wire is None:
            raise Lost("the connection is closed")
        return self._wire

    def _abandon(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


def _extension(line: bytes) -> tuple[str, str]:
    """One line of the reply to EHLO (RFC 5321 4.1.1.1), in capitals; "AUTH=LOGIN" is an old way to say "AUTH LOGIN"."""
    keyword, _, value = line[4:].decode("ascii", "replace").strip().upper().replace("AUTH=", "AUTH ").partition(" ")
    return keyword, value


def _is_yes(reply: Reply) -> bool:
    return reply.code is not None and 200 <= reply.code < 300


def _is_no(reply: Reply) -> bool:
    """A plain refusal after which the dialogue goes on; 421 ends it at any time (RFC 5321 3.8)."""
    return reply.code is not None and reply.code >= 400 and reply.code != 421


def _too_big(why: str) -> Outcome:
    """As the server would have said (RFC 1870 6.1), so that it counts like its own refusal where all mails are too big."""
    return Outcome(Verdict.REFUSED, Against.MESSAGE, Phase.MAIL, 552, "5.3.4", why)


def _not_tried(why: str) -> Outcome:
    return Outcome(Verdict.REFUSED, Against.MESSAGE, Phase.MAIL, text=why)
