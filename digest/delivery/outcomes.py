"""What a reply of an SMTP server means for one mail, and what it counts against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of one mail; the words of the ledger."""

    SUBMITTED = "submitted"  # the server took it; nothing is known beyond that
    DEFERRED = "deferred"  # not delivered, may be tried again
    REFUSED = "refused"  # not delivered, trying again would end the same way
    UNCERTAIN = "uncertain"  # the connection ended between the end of DATA and the reply
    SKIPPED = "skipped"  # no longer wanted the moment before DATA; nothing left


class Against(StrEnum):
    """What an outcome counts against."""

    NOBODY = "nobody"
    READER = "reader"  # this address
    MESSAGE = "message"  # this mail: its size, its content, its envelope
    SITE = "site"  # us: reputation, authentication, login, TLS; enough in a row stop the run
    MOMENT = "moment"  # now: busy, greylisted, rate, a lost connection; later it may pass


class Phase(StrEnum):
    """Where in the dialogue a reply came, or did not come."""

    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    EOD = "eod"  # the reply to the final dot


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `code` is None when nothing usable came; `status` is "5.1.1" (RFC 3463) or None; `text` one clean line."""

    code: int | None
    status: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one mail, and all that is known about why.

    `is_address_dead`: the address will never work, one such reply is enough. `asks_to_slow_down`: send less for a while.
    """

    verdict: Verdict
    against: Against
    phase: Phase
    code: int | None = None
    status: str | None = None
    text: str = ""
    is_address_dead: bool = False
    asks_to_slow_down: bool = False


TAKEN = Outcome(Verdict.SUBMITTED, Against.NOBODY, Phase.EOD, 250)
SKIPPED = Outcome(Verdict.SKIPPED, Against.NOBODY, Phase.DATA, text="no longer wanted")

_LONGEST_TEXT = 200
_BEFORE_MAIL = (Phase.DNS, Phase.CONNECT, Phase.GREETING, Phase.TLS, Phase.AUTH)

# A code may be followed by nothing, a blank or a hyphen (RFC 5321 4.2.1); some servers write "550#5.1.0".
_LINE = re.compile(rb"([2-5][0-9][0-9])(?![0-9])[ \t-]?(.*)", re.S)
_STATUS = re.compile(r"\W{0,2}([245]\.\d{1,3}\.\d{1,3})(?![.\d])[ :-]*")
_LOCAL_PART = re.compile(r"[^\s<>()\[\],;:\"']+@")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff]+")


def parse_reply(lines: Sequence[bytes]) -> Reply:
    """Read the lines of one reply as they came, with or without their CRLF; never fails.

    RFC 5321 4.2.1: every line starts with the same code, and where they differ there is none; RFC 2034 4: the status, if
    any, starts the text of each line.
    """
    codes: set[int] = set()
    status: str | None = None
    texts: list[str] = []
    for line in lines:
        match = _LINE.match(line)
        if match:
            codes.add(int(match[1]))
        text = _clean(match[2] if match else line)
        if found := _STATUS.match(text):
            status, text = status or found[1], text[found.end() :]
        texts.append(text)
    code = codes.pop() if len(codes) == 1 else None
    return Reply(code, status, " ".join(filter(None, texts))[:_LONGEST_TEXT])


def judge(phase: Phase, reply: Reply) -> Outcome:
    """What `reply` in `phase` means for the mail in hand.

    The code decides the verdict (RFC 5321 4.2.1: the first digit is enough for an unknown code); the status, then the
    text, then the code decide what it counts against. Refused with `Against.SITE` says nothing about this mail: it may be
    sent again when the fault is mended.
    """
    verdict = _verdict(phase, reply.code)
    if verdict is Verdict.SUBMITTED:
        return Outcome(verdict, Against.NOBODY, phase, reply.code, reply.status, reply.text)
    against = _against(phase, reply, verdict)
    return Outcome(
        verdict,
        against,
        phase,
        reply.code,
        reply.status,
        reply.text,
        is_address_dead=against is Against.READER and verdict is Verdict.REFUSED and _is_dead(reply),
        asks_to_slow_down=verdict is Verdict.DEFERRED and _is_slow_down(reply),
    )


def no_reply(phase: Phase, why: str) -> Outcome:
    """The connection ended, or said nothing in time, in `phase`. Uncertain only once the final dot may have arrived."""
    return judge(phase, Reply(None, None, why[:_LONGEST_TEXT]))


def says_slow_down(outcome: Outcome) -> bool:
    """Plainly, by its status or its words; a bare 421 may only mean that the connection has carried enough."""
    reply = Reply(outcome.code, outcome.status, outcome.text)
    return _is_rate(reply) and not _OF_CONNECTION.search(outcome.text)


def _clean(raw: bytes) -> str:
    """One printable line, without the addresses that servers repeat: it goes into logs and the ledger."""
    return _LOCAL_PART.sub("…@", _CONTROL.sub(" ", raw.decode("utf-8", "replace"))).strip()


def _verdict(phase: Phase, code: int | None) -> Verdict:
    if code is not None and 400 <= code < 600:
        return Verdict.DEFERRED if code < 500 else Verdict.REFUSED
    if phase is Phase.EOD:  # what is neither yes nor no after the final dot leaves us in doubt
        return Verdict.SUBMITTED if code is not None and code < 300 else Verdict.UNCERTAIN
    return Verdict.DEFERRED  # no reply, or one out of step: nothing was delivered


# Subject and detail of a status (RFC 3463 3, registry of RFC 5248) -> what a refusal counts against.
_REFUSED_BY_STATUS = {
    "1.1": Against.READER,  # no such mailbox (Gmail, Yahoo: 550 5.1.1; Outlook 550 5.1.10 or 5.5.0, see below)
    "1.2": Against.READER,  # no such domain
    "1.3": Against.READER,  # not an address there
    "1.4": Against.READER,  # names more than one
    "1.6": Against.READER,  # moved, no forwarding
    "1.7": Against.SITE,  # our sender address is malformed
    "1.8": Against.SITE,  # our sender domain does not resolve
    "1.10": Against.READER,  # null MX (RFC 7505)
    "2.1": Against.READER,  # disabled
    "2.2": Against.READER,  # full
    "2.3": Against.MESSAGE,  # longer than this mailbox takes
    "2.4": Against.READER,  # a list that cannot be expanded
    "3.4": Against.MESSAGE,  # too big for the system
}
_REFUSED_BY_SUBJECT = {
    "4": Against.READER,  # no way to that domain: soft, the address itself may be good
    "6": Against.MESSAGE,  # content or media, 6.7 = needs SMTPUTF8 (RFC 6531)
    "7": Against.SITE,  # policy, authentication, reputation (Gmail 5.7.25-5.7.30, Outlook 5.7.515, 5.7.606, 5.7.708)
}
_DEAD_STATUS = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
# Details that servers use for anything: their text says more than they do.
_VAGUE_STATUS = frozenset({"0.0", "1.0", "2.0", "3.0", "4.1", "5.0"})

_SLOW_DOWN = re.compile(
    r"rate.?limit|too (many|much|fast|quickly|frequent)|slow(er)?.?down|throttl|unusual rate|at a rate|limit exceeded"
    r"|unexpected volume|server (is )?busy|too busy",
    re.I,
)
_OF_CONNECTION = re.compile(r"\b(this|per|each|one|single|same)[ -](smtp )?(connection|session)", re.I)
_GREYLISTED = re.compile(r"gr[ae]y.?list", re.I)
_NO_SUCH_ADDRESS = re.compile(
    r"no such (user|mailbox|address|recipient|person|account)"
    r"|(user|mailbox|address|recipient|account)\W+(\S+\s+){0,4}?"
    r"(unknown|not found|unavailable|does ?n.?t exist|does not exist|not exist|inactive|invalid)"
    r"|(unknown|invalid|bad) (user|mailbox|address|recipient|local)|does ?n.?t have an? .{0,40}account|not our customer",
    re.I,
)
_MAILBOX_FULL = re.compile(r"mailbox.{0,20}full|over.?quota|quota exceeded|exceeded storage", re.I)
_POLICY = re.compile(
    r"\bspam|block|black.?list|deny.?list|dnsbl|\brbl\b|\bspf\b|\bdkim\b|\bdmarc\b|reputation|polic(y|ies)|relay"
    r"|unsolicited|banned|authenticat|not (permitted|authori[sz]ed) to send|\bptr\b|reverse dns|suspicious|messages from",
    re.I,
)


def _against(phase: Phase, reply: Reply, verdict: Verdict) -> Against:
    if phase in (Phase.TLS, Phase.AUTH):
        return Against.SITE
    if verdict is Verdict.UNCERTAIN or reply.code is None or reply.code < 400:
        return Against.MOMENT
    if phase in _BEFORE_MAIL:
        return Against.MOMENT if verdict is Verdict.DEFERRED else Against.SITE
    if verdict is Verdict.DEFERRED:
        return _deferred_against(phase, reply)
    return _refused_against(phase, reply)


def _deferred_against(phase: Phase, reply: Reply) -> Against:
    detail = _detail(reply)
    if detail == "7.28" or _SLOW_DOWN.search(reply.text) or _GREYLISTED.search(reply.text):
        return Against.MOMENT
    if detail.startswith("7."):  # greylisting is 4.7.1 at RCPT (RFC 6647 5) and often says nothing else
        return Against.MOMENT if (phase, detail) == (Phase.RCPT, "7.1") else Against.SITE
    return Against.READER if detail == "2.2" else Against.MOMENT


def _refused_against(phase: Phase, reply: Reply) -> Against:
    detail = _detail(reply)
    if reply.code == 552 and detail != "2.2":  # 552 5.7.0 of Gmail is about content, not about us
        return Against.READER if _MAILBOX_FULL.search(reply.text) else Against.MESSAGE
    if detail and detail not in _VAGUE_STATUS:
        known = _REFUSED_BY_STATUS.get(detail) or _REFUSED_BY_SUBJECT.get(detail.partition(".")[0])
        if known:
            return known if phase is not Phase.MAIL or known is not Against.READER else Against.SITE
    return _refused_by_text(phase, reply)


def _refused_by_text(phase: Phase, reply: Reply) -> Against:
    """Without a telling status: an address is blamed only when the words, or the code at RCPT, are about the address."""
    if phase is Phase.MAIL:
        return Against.MESSAGE if reply.code == 555 else Against.SITE
    if _POLICY.search(reply.text):
        return Against.SITE
    if _NO_SUCH_ADDRESS.search(reply.text) or _MAILBOX_FULL.search(reply.text):
        return Against.READER
    is_about_address = reply.code in (550, 551, 553, 556) or _detail(reply) == "4.1"
    return Against.READER if phase is Phase.RCPT and is_about_address else Against.MESSAGE


def _is_dead(reply: Reply) -> bool:
    detail = _detail(reply)
    if detail and detail not in _VAGUE_STATUS:
        return detail in _DEAD_STATUS
    if _MAILBOX_FULL.search(reply.text):
        return False
    return reply.code in (551, 556) or bool(_NO_SUCH_ADDRESS.search(reply.text))


def _is_slow_down(reply: Reply) -> bool:
    """RFC 5321 3.8 (421), Gmail 4.7.28, and what Yahoo, Outlook and Gmail write in words."""
    return reply.code == 421 or _is_rate(reply)


def _is_rate(reply: Reply) -> bool:
    return _detail(reply) == "7.28" or bool(_SLOW_DOWN.search(reply.text))


def _detail(reply: Reply) -> str:
    """Subject and detail, "1.1"; the class is left to the code, which decides (RFC 3463 2)."""
    return reply.status.partition(".")[2] if reply.status else ""
