"""Decides from a status code and the other server's words whether an address is gone.

Hard means that the address or its host does not exist or takes no mail; everything else that failed is soft. The class
of the code does not tell (RFC 3463 gives 5 to a full mailbox or a refused text as well), so words count before codes:
first words that blame anything but the address, then words that say it is gone, then the code alone.
"""

import re

from digest.delivery.bounces import missing, phrases, tongues
from digest.delivery.bounces.bounce import Kind

TEXT_CHARS = 4000

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.:/#-])([45])\d\d(?=[ -]|:? |$)")
_ADDRESS = re.compile(r"(?<![^\s<(\[\"':;,=])[^\s<>@\"]{1,128}@[^\s<>@\",;]{1,253}[>)\]\"']?")
_URL = re.compile(r"https?:\s?//\S{1,500}")

# Codes that blame the mail, its sender, the way or the time, whatever the words beside them.
_SOFT_CODE = re.compile(
    r"[24]\.|5\.1\.[78]$|5\.2\.[234]$|5\.3\.[1-9]|5\.4\.(?:[67]|14|316)$|5\.5\.[2-5]$|5\.6\.|5\.7\.(?:[2-9]$|\d\d(?<!13|17"
    r"|27)|\d{3})"
)
_GONE_CODE = re.compile(r"5\.1\.(?:[1236]|10|351)$|5\.4\.(?:4|310)$")

_SOFT = re.compile("|".join((*phrases.SOFT, *tongues.SOFT)))
_GONE = re.compile("|".join((*missing.PERSON, *missing.HOST, *missing.IDIOMS)))
_GONE_OR_REFUSED = re.compile("|".join((_GONE.pattern, *missing.REFUSALS)))
# Beside any other code a refusal may mean the mail.
_OPEN_CODE = re.compile(r"5\.[015]\.")
_OTHER_END = re.compile("|".join(missing.OTHER_END))
_CLAUSE_END = re.compile(r"[;!?]|\.(?= |$)| - ")
# Names of block lists inside a link.
_LISTED = re.compile(
    r"spamhaus|spamcop|sorbs|barracudacentral|senderscore|abuseat|uceprotect|surbl|uribl|[/.]rbl|dnsbl"
)
_QUOTED = re.compile(r"(?<![\w.:/-])[45](?:\d\d(?=[ -]|: )|\.\d{1,3}\.\d{1,3}(?= \w))")
# Microsoft's filter at the edge answers so, with this code, when the tenant's directory does not hold the address.
_EDGE = re.compile(r"5\.4\.1 .{0,20}recipient address rejected: access denied")
_AFTER_TEXT = re.compile(r"in reply to end of data|after end of data|after i sent the message|step: data")
# Refused before the recipient was named.
_BEFORE_RECIPIENT = re.compile(
    r"sender was rejected|in reply to (?:mail from|helo|ehlo|banner)|after (?:pipelined )?mail from|refused to talk to me"
    r"|after initial connection|\[mail ?from\]"
)
_RETRIED_NAME = re.compile(r"no mx found|null mx|does not accept (?:any )?mail|no mx record")


def codes_in(text: str) -> list[str]:
    """The enhanced status codes (RFC 3463) that stand in a text, in order."""
    return _CODE.findall(_URL.sub(" ", text[:TEXT_CHARS]))


def status_of(field: str, text: str) -> str | None:
    """The code that tells most: the report's own, unless it is vague (5.0.0) and the other server gave a better one."""
    own = next(iter(codes_in(field)), None)
    if own is not None and not own.endswith(".0.0") and own != "5.5.0":
        return own
    better = [code for code in codes_in(text) if code[0] != "2" and not code.endswith(".0.0")]
    return better[-1] if better else own or next((code for code in codes_in(text) if code[0] != "2"), None)


def judge(code: str | None, text: str, around: str = "") -> Kind | None:
    """Hard, soft, or None where neither code nor words tell. around: what the report says beside the words."""
    words = _plain(text)
    if code and _SOFT_CODE.match(code):
        return Kind.SOFT
    if _BEFORE_RECIPIENT.search(_plain(around or text)):
        return Kind.SOFT
    if _EDGE.search(words):
        return Kind.HARD
    if _SOFT.search(words) or any(_LISTED.search(link.lower()) for link in _URL.findall(text[:TEXT_CHARS])):
        return Kind.SOFT
    if not (code and code[0] == "5") and (reply := _REPLY.search(words)) and reply[1] == "4":
        return Kind.SOFT
    if gone := _gone(words, _GONE_OR_REFUSED if not code or _OPEN_CODE.match(code) else _GONE):
        # Who took the address and refused after the text refused the text, whatever he calls it.
        refused_text = _AFTER_TEXT.search(_plain(around or text)) and not (code and _GONE_CODE.match(code))
        return Kind.SOFT if refused_text or all(map(_OTHER_END.search, gone)) else Kind.HARD
    if code and _GONE_CODE.match(code):
        return Kind.HARD
    return None


def _gone(words: str, saying: re.Pattern[str]) -> list[str]:
    """The clauses that say somebody or something is missing."""
    clauses, start = [], 0
    for end in (*(match.start() for match in _CLAUSE_END.finditer(words)), len(words)):
        if saying.search(words, start, end):
            clauses.append(words[start:end])
        start = end
    return clauses


def call_recipient(text: str, recipient: str | None) -> str:
    """The text with the address we wrote to called by what it is: "<ann@example.com>: unknown" names nobody else."""
    return re.sub(re.escape(recipient), "recipient", text[:TEXT_CHARS], flags=re.IGNORECASE) if recipient else text


def quoted_reply(text: str) -> str:
    """The other server's own reply inside a report's words, from its code on; "" where none is quoted."""
    match = _QUOTED.search(text)
    return text[match.start() :].partition("\n\n")[0] if match else ""


def is_host_without_mail(text: str) -> bool:
    """Whether a name server's answer, not its silence, made the mail wait: no mail tomorrow either."""
    return bool(_RETRIED_NAME.search(_plain(text)))


def _plain(text: str) -> str:
    """Lower case on one line, without what an address or a link could smuggle in, and without repeated reply codes."""
    text = _URL.sub(" ", text[:TEXT_CHARS])
    text = re.sub(r"(?<!\d)([245]\d\d)-(?:[245]\.\d{1,3}\.\d{1,3} )?", r"\1 ", text)
    return " ".join(_ADDRESS.sub(" ", text).lower().replace("_", " ").split())
