"""Finds, in the free words of a mail server, which addresses failed and what is said about each."""

import re
from dataclasses import dataclass

from digest.delivery.bounces import tongues

PROSE_CHARS = 60_000
MOST_ADDRESSES = 50

# Where the words about the failure end and the mail that came back begins.
_RETURNED = re.compile(
    r"^[ \t>|*=#-]{0,80}(?:"
    r"(?:below this line|enclosed|here|this|the following|included|attach(?:ed|ment)|below) is an? (?:copy|excerpt)"
    r"|(?:this is a |a )?copy of (?:the|your|my) (?:original )?(?:message|mail|e-?mail)"
    r"|(?:the |your |start of |begin )?(?:original|returned|unsent|undelivered|rejected|included|old"
    r"|failed) (?:message|mail|e-?mail|text)"
    r"(?: (?:follows|headers?|text|contents?|attached|in full|begins|starts|below)\b| was:|[ \t]{0,9}[-=:|*]"
    r"|[ \t]{0,9}$)"
    r"|(?:the )?(?:message|mail|e-?mail) (?:header|body|text|contents?)s?(?: of .{0,40})?(?: is"
    r"| are)?(?: follow|suppress)"
    r"|the (?:header|text|body)s? of (?:the|your) (?:original )?(?:message|mail)"
    r"|(?:the )?(?:header|text|body)s? (?:of|from) .{0,40}(?:follow|below)"
    r"|(?:the )?(?:first|start|beginning) .{0,30}of (?:the|your) (?:original )?(?:message|mail)"
    r"|(?:received: (?:from|by)|return-path:|dkim-signature:|x-originating-ip:|mime-version: 1)"
    r").*$",
    re.IGNORECASE | re.MULTILINE,
)
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]"
_ADDRESS = re.compile(
    rf"(?<![A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.@-])((?:{_WORD}{{1,128}}"
    rf"|\"[^\"\s@]{{1,64}}\")@[A-Za-z0-9](?:[A-Za-z0-9._-]{{0,252}}[A-Za-z0-9])?)"
)
# A line that is about the address it begins with, ends with, or names as the recipient.
_LEAD = re.compile(
    r"[\s>*|<\"'`(\[•·-]*(?:(?:\d{3}|\d{1,2}[.)])[ -]+(?:\d\.\d\.\d )?[<\"']?)?(?:to: ?<)?$", re.IGNORECASE
)
_IN_ROW = re.compile(r"[\s>\"',;/&<]{1,10}(?:(?:and|or|und|et|y|e|en|och|og|i|и)\s{1,3}[<\"']?)?")
_SENTENCE_GOES_ON = re.compile(
    r" (?!on |user|mail|rec|add|unk|was|is|has|not|failed|does|could|can|said|host|no )[a-z]|, [a-z]"
)
_LABEL = re.compile(
    r"(?:rcpt to:|recipients?(?: address)?(?:\(s\))?:|address(?:es)?:|addressed to:|original address:"
    r"|failed address:|delivered to:|for|"
    r"user(?:id)?:|undeliverable to|delivery to|deliver(?: it| mail| message| your \w+)? to|delivered to"
    r"|your (?:mail|message|e-?mail) to|"
    r"mail to|message to|sent to|recipient|mailbox|attempts:|failed:|unknown user:|user|account|smtp=)[\s<\"'=]*$",
    re.IGNORECASE,
)
_OWN_HEADER = re.compile(
    r"[\s>]*(?:from|to|cc|subject|date|sent|message-?id|reply-to|(?:original )?sender(?:-mta)?|return-path|received|x-[\w-]+"
    rf"|von|de|da|van|fra|från|od|от|{tongues.SENDER})\s*[:：]",
    re.IGNORECASE,
)
_TO_LINE = re.compile(r"^[ \t>]{0,9}to[ \t]{0,9}:(.{1,500})$", re.IGNORECASE | re.MULTILINE)
_NOT_THE_RECIPIENT = re.compile(
    r"\b(?:mail from:|from:?|sender:?|contact|assistance|help|postmaster|administrator|abuse|support|questions?"
    r"|write to|reply to|if|try|as|"
    r"forward\w* .{0,30}to|via|by|please (?:e-?mail|mail)|message-?id:?|envelope-from|id"
    r"|mts-id)\W{0,4}(?:\w+ ){0,3}\W{0,3}$",
    re.IGNORECASE,
)
# Another address of somebody who is named already.
_EXPANDED = re.compile(r"\((?:ultimately )?(?:expanded|generated)\s{1,9}(?:from|by)\b[^()]{0,300}\)", re.IGNORECASE)
_HEADING = re.compile(
    r"^.{0,200}(?:(?:following|recipients?|address(?:es)?|users?)\b[^\n]{0,60}|mail from \S{1,100}):[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_NAME_LINE = re.compile(r"\s+([a-z][\w.+-]{1,63})(?:\s{2,}\S.*|\s*\(.*|\s*)$", re.IGNORECASE)
_ROBOT = re.compile(
    r"(?:postmaster|mailer-daemon|abuse|no-?reply|support|help ?desk)@|[^@]{1,64}-(?:owner|admin|bounces|request)@",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """An address that a report names, the words about it, and whether the line was built around it."""

    address: str
    words: str
    is_plain: bool


def before_returned_mail(text: str) -> str:
    """The words of the server alone, without the copy of the mail that came back."""
    text = text[:PROSE_CHARS]
    match = _RETURNED.search(text)
    while match and not text[: match.start()].strip():
        match = _RETURNED.search(text, match.end())
    return text[: match.start()] if match else text


def addresses_in(text: str) -> list[str]:
    """Every address in a text, in order, doubles included."""
    return _ADDRESS.findall(text[:PROSE_CHARS])


def find(text: str, own: frozenset[str]) -> list[Finding]:
    """The addresses that failed, with what is said about each up to the next one.

    own: addresses in lower case that belong to the report itself (its sender, whom it was sent to); they count only
    where nothing else is named. Lines built around an address win over addresses inside sentences.
    """
    hits = _hits(_EXPANDED.sub(" ", before_returned_mail(text)))
    foreign = [hit for hit in hits if hit.address.lower() not in own and not _ROBOT.match(hit.address)]
    built_around = _merged([hit for hit in foreign if hit.is_plain])
    in_sentences = _merged(foreign)
    if built_around or len(in_sentences) == 1:
        return built_around or in_sentences
    named_itself = _merged([hit for hit in hits if hit.is_plain and not _ROBOT.match(hit.address)])
    return named_itself or _addressed(text, own)


def heading(text: str, address: str) -> str:
    """The line that opens the list whose first entry an address is: the reason may stand there alone."""
    above = text[: max(text.find(address), 0)].rpartition("\n")[0].rstrip()
    return above.rpartition("\n")[2] if above.endswith(":") else ""


def find_names(text: str, domain: str) -> list[Finding]:
    """For servers that name their own users without a domain: the first word of each line below a heading."""
    text = before_returned_mail(text)
    heading = _HEADING.search(text)
    if heading is None or not domain:
        return []
    block = text[heading.end() :].lstrip("\n").partition("\n\n")[0]
    lines = (_NAME_LINE.match(line) for line in block.split("\n")[:MOST_ADDRESSES])
    return [Finding(f"{match[1]}@{domain}", match.string, True) for match in lines if match]


def _addressed(text: str, own: frozenset[str]) -> list[Finding]:
    """Whom the mail was addressed to, where a server repeats that and says nothing else."""
    named = [address for line in _TO_LINE.findall(text) for address in addresses_in(line)]
    others = dict.fromkeys(_bare(address) for address in named if address.lower() not in own)
    return [Finding(address, text, True) for address in others] if len(others) == 1 else []


def _bare(address: str) -> str:
    return re.sub(r"^(?:smtp|rfc822|mailto)[=:;]", "", address.lstrip("'`-"), flags=re.IGNORECASE)


def _hits(text: str) -> list[Finding]:
    spots: list[tuple[int, int, str, bool]] = []
    start, above = 0, ""
    for line in text.split("\n"):
        if "@" in line and not _OWN_HEADER.match(line):
            opens = not above or above.endswith((":", "-", "*", "=", "."))
            spots.extend((start + place, start, address, plain) for place, address, plain in _in_line(line, opens))
        start, above = start + len(line) + 1, line.strip()
    spots = spots[: MOST_ADDRESSES * 4]
    ends = [line_start for _, line_start, _, plain in spots if plain]
    found = []
    for _, line_start, address, plain in spots:
        end = next((other for other in ends if other > line_start), len(text))
        found.append(Finding(address, text[line_start:end], plain))
    return found


def _in_line(line: str, opens: bool) -> list[tuple[int, str, bool]]:
    """(place, address, whether the line is about it) of one line. opens: the line begins a paragraph or a list."""
    found: list[tuple[int, str, bool]] = []
    ends = 0
    for match in _ADDRESS.finditer(line[:2000]):
        before, after = line[: match.start()], line[match.end() :]
        address = _bare(match[1])
        if _NOT_THE_RECIPIENT.search(before[-60:]):
            continue
        leads = bool(_LEAD.match(before)) and not found and (opens or not _SENTENCE_GOES_ON.match(after))
        ends_line = bool(re.fullmatch(r"[^@]{0,80}[:：][\s<\"']*", before)) and not after.strip(" \t>\"'.;)")
        labelled = bool(_LABEL.search(before[-40:]))
        in_row = bool(found) and found[-1][2] and bool(_IN_ROW.fullmatch(line[ends : match.start()]))
        found.append((match.start(), address, leads or ends_line or labelled or in_row))
        ends = match.end()
    return found


def _merged(hits: list[Finding]) -> list[Finding]:
    """One finding per address, with all that is said about it."""
    by_address: dict[str, Finding] = {}
    for hit in hits:
        known = by_address.get(hit.address.lower())
        if known is None and len(by_address) < MOST_ADDRESSES:
            by_address[hit.address.lower()] = hit
        elif known is not None and hit.words not in known.words:
            by_address[hit.address.lower()] = Finding(
                known.address, f"{known.words}\n{hit.words}"[:PROSE_CHARS], known.is_plain
            )
    return list(by_address.values())
