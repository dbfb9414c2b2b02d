"""TeX inside prose, said in Unicode where Unicode can say it and left as written where it cannot.

Nothing but command names, braces and dollars ever disappears: each run of two or more letters or digits of the source
stands in the result, in order. A percent sign is no comment, and a price is no formula. One pass, linear in the length.
"""

from __future__ import annotations

import re
import unicodedata

from digest.papers import symbols

_SPECIAL = re.compile(r"[\\$`~{-]")
_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|[^\\{}^_&~'$]|.", re.DOTALL)
_BLANKS = re.compile(r"\s+")
_COMMAND = re.compile(r"\\(?:([A-Za-z]+)\*?|(.))", re.DOTALL)
_DOTLESS = re.compile(r"(\\[ij])(?![A-Za-z])(?:\{\}| (?=\S))?")
_NAMED = re.compile(r"\\[A-Za-z]")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_CONTRACTION = re.compile(r"(?:s|t|re|ll|m|d|ve)(?![A-Za-z])")
_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_PLAIN_WORDS = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}(?=\s)")
_DASHES = re.compile(r"-+")
_DEEPEST = 12
_LONGEST_FORMULA = 2_000
_LONGEST_QUOTE = 400


def to_unicode(source: str) -> str:
    """The text with its TeX resolved, e.g. `G\\"odel's $L_2$` -> `Gödel's L₂`."""
    if not _SPECIAL.search(source):
        return source
    return _Reader(source).text(0, len(source), 0)


class _Unsayable(Exception):
    """This formula has no plain Unicode form."""


class _Reader:
    """One source text, read by index so that nothing is copied or scanned twice."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.closes = _matching_braces(source)

    # --- prose ---

    def text(self, start: int, end: int, depth: int) -> str:
        out: list[str] = []
        at = start
        while found := _SPECIAL.search(self.source, at, end):
            out.append(self.source[at : found.start()])
            at = found.start()
            piece, at = self._special(at, end, depth)
            out.append(piece)
        out.append(self.source[at:end])
        return "".join(out)

    def _special(self, at: int, end: int, depth: int) -> tuple[str, int]:
        if depth > _DEEPEST:
            return self.source[at:end], end
        match self.source[at]:
            case "\\":
                return self._command(at, end, depth)
            case "$":
                return self._dollar(at, end)
            case "{":
                return self._group(at, end, depth)
            case "`":
                return self._quote(at, end, depth)
            case "~":
                return self._tie(at, end), at + 1
            case _:
                return self._dash(at, end)

    def _command(self, at: int, end: int, depth: int) -> tuple[str, int]:
        found = _COMMAND.match(self.source, at, end)
        if found is None:
            return "\\", at + 1
        if found[1] is None:
            return self._control_symbol(at, end, found[2])
        name, after = found[1], found.end()
        if name in symbols.ACCENTS:
            return self._accent(at, after, end, name)
        if name in symbols.LETTERS:
            return symbols.LETTERS[name], self._skip_word_end(after, end)
        if name in symbols.TEXT_FONTS and (argument := self._argument(after, end)):
            return self.text(*argument, depth + 1), argument[1] + 1
        if name in symbols.DECLARATIONS:
            return "", self._skip_word_end(after, end)
        if name in symbols.SPACES:
            return " ", after
        if name in symbols.ABBREVIATIONS:
            return symbols.ABBREVIATIONS[name].removesuffix("." if self.source.startswith(".", after) else ""), after
        return self._reference(at, name, after, end, depth) or self._bare_math(at, end)

    def _reference(self, at: int, name: str, after: int, end: int, depth: int) -> tuple[str, int] | None:
        argument = self._argument(after, end)
        if argument is None:
            return None
        given, past = self.source[slice(*argument)], argument[1] + 1
        if name in symbols.CITES:
            return f"[{given}]", past
        if name == "url":
            return given, past
        if name == "ensuremath" and (said := self._formula(*argument)) is not None:
            return said, past
        if name == "footnote":
            return f" ({self.text(*argument, depth + 1)})", past
        if name == "href" and (second := self._argument(past, end)):
            label = self.text(*second, depth + 1)
            return (label if label == given else f"{given} ({label})"), second[1] + 1
        return None

    def _bare_math(self, at: int, end: int) -> tuple[str, int]:
        """A command of mathematics outside dollars, as authors and clean-ups leave them behind."""
        found = _COMMAND.match(self.source, at, end)
        takes_argument = found is not None and found[1] in symbols.MATH_FONTS | symbols.MATH_ACCENTS.keys() | {
            "frac",
            "sqrt",
            "not",
        }
        if found is not None and takes_argument and self._argument(found.end(), end) is None:
            return found[0], found.end()
        try:
            said, after = self._math_command(at, end, 0)
        except _Unsayable:
            after = found.end() if found else at + 1
            after += self.source.startswith("{", after, end)  # its braces are its own, whatever is in them
            return self.source[at:after], after
        return said, after + 2 * self.source.startswith("{}", after, end)

    def _control_symbol(self, at: int, end: int, sign: str) -> tuple[str, int]:
        after = at + 2
        if sign in "%&#$_{}":
            return sign, after
        if sign in symbols.ACCENTS:
            return self._accent(at, after, end, sign)
        if sign in "([":
            close = self.source.find("\\" + ")]"["([".index(sign)], after, min(end, after + _LONGEST_FORMULA))
            said = self._formula(after, close) if close > 0 else None
            return (said, close + 2) if said is not None else (self.source[at:after], after)
        if sign in " \n\t,":
            return " ", after
        if sign in "-/@":
            return "", after
        if sign == "\\" and (after >= end or self.source[after].isspace()):
            return " ", after
        return self.source[at:after], after

    def _accent(self, at: int, after: int, end: int, name: str) -> tuple[str, int]:
        mark, stands_on = symbols.ACCENTS[name]
        begin, is_word = after, name.isalpha()
        argument = self._argument(after, end)
        if argument is not None:
            begin, stop, past = *argument, argument[1] + 1
        else:
            if is_word:
                if name not in symbols.SPACED_ACCENTS or self.source[after : after + 1] != " ":
                    return self.source[at:after], after
                begin += 1
            dotless = _DOTLESS.match(self.source, begin, end)
            stop, past = (dotless.end(1), dotless.end()) if dotless else (begin + 1, begin + 1)
        letter = {"\\i": "ı", "\\j": "ȷ"}.get(self.source[begin:stop].strip(), self.source[begin:stop])
        if stop > end or letter not in tuple(stands_on):
            return self.source[at:after], after
        if name == "'" and at > 0 and self.source[at - 1].isalpha() and _CONTRACTION.match(self.source, begin, end):
            return "'", after
        base = {"ı": "i", "ȷ": "j"}.get(letter, letter)
        return unicodedata.normalize("NFC", base + mark), past

    def _dollar(self, at: int, end: int) -> tuple[str, int]:
        width = 2 if self.source.startswith("$$", at) else 1
        start = at + width
        close = self._closing_dollar(start, end, width)
        if close < 0 or not self._is_formula(at, start, close, close + width):
            return self.source[at:start], start
        said = self._formula(start, close)
        after = close + width
        return (self.source[at:after] if said is None else said), after

    def _closing_dollar(self, start: int, end: int, width: int) -> int:
        limit = min(end, start + _LONGEST_FORMULA)
        close = self.source.find("$" * width, start, limit)
        while close > 0 and self.source[close - 1] == "\\":
            close = self.source.find("$" * width, close + 1, limit)
        return close

    def _is_formula(self, opens: int, start: int, close: int, after: int) -> bool:
        content = self.source[start:close]
        if not content.strip() or "\n\n" in content or content[0].isspace() != content[-1].isspace():
            return False
        before, behind = self.source[max(0, opens - 1) : opens], self.source[after : after + 1]
        if content[0].isdigit() and behind.isdigit() and not _NAMED.search(content):  # two prices
            return False
        if re.search(r"[\\^_]", content):
            return "\\" in content or len(_PLAIN_WORDS.findall(content)) < 2
        if len(content) == 1:
            return content.isalpha() or (content.isdigit() and not behind.isalnum() and not before.isalnum())
        if content[0].isspace() or before.isalnum() or behind.isalnum() or _LONG_WORD.search(content):
            return False
        return not content[0].isdigit() or not re.search(r"\s", content)

    def _formula(self, start: int, close: int) -> str | None:
        try:
            return " ".join(self.math(start, close, 0).split())
        except _Unsayable:
            return None

    def _group(self, at: int, end: int, depth: int) -> tuple[str, int]:
        """`{\\bf word}` and `{\\'e}` lose their braces; any other brace is the author's own."""
        close = self.closes.get(at, end)
        if close >= end or not self.source.startswith("\\", at + 1):
            return "{", at + 1
        inner = self.text(at + 1, close, depth + 1)
        found = _COMMAND.match(self.source, at + 1, close)
        declares = found is not None and found[1] in symbols.DECLARATIONS
        return (inner if declares or len(inner) <= 2 else f"{{{inner}}}"), close + 1

    def _quote(self, at: int, end: int, depth: int) -> tuple[str, int]:
        if not self.source.startswith("``", at) or self.source.startswith("```", at):
            run = re.compile("`+").match(self.source, at, end)
            return (run[0], run.end()) if run else ("`", at + 1)
        close = self.source.find("''", at + 2, min(end, at + _LONGEST_QUOTE))
        if close < 0:
            return "``", at + 2
        return f"“{self.text(at + 2, close, depth + 1)}”", close + 2

    def _tie(self, at: int, end: int) -> str:
        before, after = self.source[max(0, at - 2) : at], self.source[at + 1 : at + 2] if at + 1 < end else ""
        is_word_before = len(before) == 2 and (
            before.isalpha() or before[1] in ".)" or (before[1] == ":" and before[0].isalpha())
        )
        return " " if is_word_before and (after.isalnum() or after in "\\([$") and after else "~"

    def _dash(self, at: int, end: int) -> tuple[str, int]:
        run = _DASHES.match(self.source, at, end)
        after = run.end() if run else at + 1
        before, behind = self.source[max(0, at - 1) : at], self.source[after : after + 1]
        is_between = (
            before != ""
            and behind != ""
            and (before.isspace() == behind.isspace())
            and not (before + behind).isspace() * ("\n" in before + behind)
        )
        if (
            after - at in (2, 3)
            and is_between
            and all(c.isalnum() or c.isspace() or c in ".,)(\"'”“" for c in before + behind)
        ):
            return ("–" if after - at == 2 else "—"), after
        return self.source[at:after], after

    def _skip_word_end(self, after: int, end: int) -> int:
        """TeX takes one `{}` or one blank after a command's name as its end."""
        if self.source.startswith("{}", after):
            return after + 2
        return after + 1 if after < end and self.source[after] == " " else after

    def _argument(self, at: int, end: int) -> tuple[int, int] | None:
        """Where the braced argument after a command begins and ends; one blank may stand before it."""
        opens = at + 1 if self.source.startswith(" {", at) else at
        close = self.closes.get(opens, end)
        return (opens + 1, close) if close < end else None

    # --- formulas ---

    def math(self, start: int, end: int, depth: int) -> str:
        """Raises _Unsayable for what has no plain form."""
        out: list[str] = []
        at = start
        while at < end:
            begin = at
            piece, at = self._math_item(at, end, depth)
            if piece and out and _needs_space(out[-1], piece):
                out.append(" ")
            if self.source[begin] == "\\" and _is_tight(out, piece):  # the blank only ends the command's name
                at = _past_blanks(self.source, at, end)
            out.append(piece)
        return "".join(out)

    def _math_item(self, at: int, end: int, depth: int) -> tuple[str, int]:
        found = _TOKEN.match(self.source, at, end)
        if found is None or depth > _DEEPEST:
            raise _Unsayable
        item = found[0]
        if item[0] == "\\":
            return self._math_command(at, end, depth)
        if item == "{":
            close = self.closes.get(at, end)
            if close >= end:
                raise _Unsayable
            return self.math(at + 1, close, depth + 1), close + 1
        if item in "^_":
            body, after = self._math_argument(found.end(), end, depth)
            return _script(item, body, self._is_in_run(after, end)), after
        if item in "}&$":
            raise _Unsayable
        if item == "'":
            return ("″", at + 2) if self.source.startswith("''", at) and at + 2 <= end else ("′", at + 1)
        return (" " if item.isspace() or item == "~" else item), found.end()

    def _math_argument(self, at: int, end: int, depth: int) -> tuple[str, int]:
        at = _past_blanks(self.source, at, end)
        if at >= end or self.source[at] in "^_":
            raise _Unsayable
        return self._math_item(at, end, depth + 1)

    def _math_command(self, at: int, end: int, depth: int) -> tuple[str, int]:
        found = _COMMAND.match(self.source, at, end)
        if found is None:
            raise _Unsayable
        name, after = found[1], found.end()
        if name is None:
            return _math_sign(found[2]), after
        if name in symbols.TEXT_FONTS:
            argument = self._argument(after, end)
            if argument is None:
                raise _Unsayable
            return self.text(*argument, depth + 1), argument[1] + 1
        if name in symbols.MATH_FONTS:
            body, past = self._math_argument(after, end, depth)
            return (body if self._is_in_run(past, end) else _in_font(name, body)), past
        if name in symbols.MATH_ACCENTS:
            body, past = self._math_argument(after, end, depth)
            if self._is_in_run(past, end):
                raise _Unsayable
            return _accented(name, body), past
        if name in ("frac", "dfrac", "tfrac", "sqrt", "pmod", "not"):
            return self._structure(name, after, end, depth)
        if name in symbols.SIZES:
            return "", after + 1 if self.source[after : after + 1] == "." else after
        if name in symbols.DECLARATIONS:
            return "", after
        said = symbols.SPACES.get(name) or symbols.LETTERS.get(name) or symbols.SYMBOLS.get(name)
        if said is None:
            raise _Unsayable
        return said, after

    def _is_in_run(self, at: int, end: int) -> bool:
        """A letter or digit stands on both sides: changing one of them would break a run that a search looks for."""
        return at < end and self.source[at - 1].isalnum() and self.source[at].isalnum()

    def _structure(self, name: str, after: int, end: int, depth: int) -> tuple[str, int]:
        sign = "√"
        if name == "sqrt" and self.source.startswith("[", after):
            sign, after = symbols.ROOTS.get(self.source[after : after + 3], ""), after + 3
            if not sign:
                raise _Unsayable
        body, past = self._math_argument(after, end, depth)
        if name == "sqrt":
            return sign + _grouped(body), past
        if name == "not" and not body[:1].isalnum():
            return unicodedata.normalize("NFC", body[:1] + "\u0338") + body[1:], past
        if name == "not" or self._is_in_run(past, end):  # of `\frac12` the 12 that a search looks for would be parted
            raise _Unsayable
        if name == "pmod":
            return f"(mod {body})", past
        below, past = self._math_argument(past, end, depth)
        return f"{_grouped(body)}/{_grouped(below)}", past


def _past_blanks(source: str, at: int, end: int) -> int:
    found = _BLANKS.match(source, at, end)
    return found.end() if found else at


def _matching_braces(source: str) -> dict[int, int]:
    opened: list[int] = []
    closes: dict[int, int] = {}
    for found in _BRACES.finditer(source):
        if found[0] == "{":
            opened.append(found.start())
        elif found[0] == "}" and opened:
            closes[opened.pop()] = found.start()
    return closes


def _needs_space(before: str, piece: str) -> bool:
    """`\\log n` and `n\\log n` read as words, so they need a blank that TeX would have set."""
    if before in symbols.FUNCTIONS:
        return piece[0].isalnum() and piece[0] not in symbols.SCRIPTS
    return piece in symbols.FUNCTIONS and before[-1:].isalnum()


def _is_tight(before: list[str], piece: str) -> bool:
    """A sign that touches what stands before it touches what follows as well, as in `n\\times m`."""
    is_sign = len(piece) == 1 and not piece.isalnum() and piece not in " |‖"
    return is_sign and not "".join(before[-1:]).endswith(" ")


def _script(sign: str, body: str, is_run: bool) -> str:
    """A raised or lowered body; runs of letters or digits stay as they are, so that no search loses them.

    `is_run`: the body is followed by a letter or digit at once, as in `8^kn`.
    """
    body = body.strip()
    if not body:
        return ""
    table = symbols.SUPERSCRIPT if sign == "^" else symbols.SUBSCRIPT
    if not is_run and all(character in table for character in body) and not re.search(r"[^\W_]{2}", body):
        return "".join(table[character] for character in body)
    return sign + (body if body.isalnum() else _grouped(body))


def _grouped(body: str) -> str:
    body = body.strip()
    is_closed = body.startswith("(") and body.endswith(")") and body.count("(") == 1
    return body if is_closed or re.fullmatch(r"[^\W_]*[⁰-₟²³¹]*|.", body) else f"({body})"


def _in_font(name: str, body: str) -> str:
    if name == "mathbb":
        return symbols.BLACKBOARD.get(body, body)
    if name in ("mathcal", "mathscr"):
        return symbols.SCRIPT.get(body, body)
    return body


def _accented(name: str, body: str) -> str:
    if len(body) == 1 and body.isalpha():
        return unicodedata.normalize("NFC", body + symbols.MATH_ACCENTS[name])
    if len(body) > 1 and name in ("vec", "bar", "overline", "hat", "tilde", "widehat", "widetilde") and body.isalnum():
        return body
    raise _Unsayable


def _math_sign(sign: str) -> str:
    if sign in "%&#$_{}":
        return sign
    if sign == "|":
        return "‖"
    if sign in ",;: \n\t\\>":
        return " "
    if sign in "!-/":
        return ""
    raise _Unsayable
