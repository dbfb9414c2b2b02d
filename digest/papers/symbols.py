"""Which TeX commands have a Unicode character, and which characters an accent or a script makes."""

# ruff: noqa: SIM905 - words in a row are easier to read and to add to than a tall list of quoted ones
from __future__ import annotations

from pylatexenc.latex2text import get_default_latex_context_db

_OURS = {
    "S": "§", "P": "¶", "copyright": "©", "pounds": "£", "euro": "€", "degree": "°", "prime": "′", "ne": "≠", "bot": "⊥", "Pr": "Pr", "checkmark": "✓",
    "LaTeX": "LaTeX", "TeX": "TeX", "slash": "/", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<",
    "textgreater": ">", "textbar": "|", "lbrack": "[", "rbrack": "]", "lbrace": "{", "rbrace": "}", "colon": ":", "lg": "lg", "argmax": "argmax",
    "argmin": "argmin", "implies": "⇒", "iff": "⇔", "dag": "†", "ddag": "‡", "models": "⊨", "vert": "|", "mid": "|", "tilde": "~", "Box": "□",
    "textquotesingle": "'", "textendash": "–", "textemdash": "—", "sim": "∼", "hbar": "ħ", "eth": "ð", "cdots": "⋯", "complement": "∁", "triangleq": "≜",
    "coloneqq": "≔", "gtrsim": "≳", "lesssim": "≲", "leqslant": "⩽", "geqslant": "⩾", "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|",
}  # fmt: skip

LETTERS = {"o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "i": "ı", "j": "ȷ",
           "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "ng": "ŋ", "NG": "Ŋ", "dj": "đ", "DJ": "Đ", "textquotedblleft": "“", "textquotedblright": "”", "textquoteleft": "‘", "textquoteright": "’"}  # fmt: skip

# accent -> its combining character, and the letters it stands on in names; others (a quote in code, `\.py`) are left alone
ACCENTS = {
    "'": ("\u0301", "aeiouyAEIOUYcnszlrCNSZLRıgG"),
    "`": ("\u0300", "aeiouAEIOUnNı"),
    "^": ("\u0302", "aeiouAEIOUwyWYcghjsCGHJSı"),
    '"': ("\u0308", "aeiouyAEIOUYı"),
    "~": ("\u0303", "anoiueANOIUEı"),
    "=": ("\u0304", "aeiouAEIOUı"),
    ".": ("\u0307", "zZIcCgGeE"),
    "H": ("\u030b", "ouOU"),
    "c": ("\u0327", "csteglnkrCSTEGLNKR"),
    "k": ("\u0328", "aeiouAEIOU"),
    "r": ("\u030a", "auAU"),
    "u": ("\u0306", "aeiougAEIOUGı"),
    "v": ("\u030c", "cszrendtlagioukCSZRENDTLAGIOUKı"),
    "d": ("\u0323", "aehilmnorstuzAEHILMNORSTUZd"),
}
SPACED_ACCENTS = frozenset("cvHk")  # `\c c` is written; `\r a` and `\d a` are rather \r and \d of a regular expression
MATH_ACCENTS = {"hat": "\u0302", "widehat": "\u0302", "bar": "\u0304", "overline": "\u0304", "tilde": "\u0303", "widetilde": "\u0303", "vec": "\u20d7",
                "dot": "\u0307", "ddot": "\u0308", "check": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300", "mathring": "\u030a"}  # fmt: skip

TEXT_FONTS = frozenset(
    "text textbf textit textsc texttt textrm textsf textmd textup textsl textnormal emph mbox hbox underline uline textsubscript textsuperscript".split()
)
MATH_FONTS = frozenset(
    "mathrm mathbf mathit mathsf mathtt mathnormal operatorname boldsymbol bm bf pmb mathbb mathcal mathscr mathfrak".split()
) - {"bf"}
DECLARATIONS = frozenset(
    "bf em it tt sc rm sf sl cal bfseries itshape scshape ttfamily sffamily rmfamily upshape mdseries normalfont small large footnotesize boldmath "
    "displaystyle textstyle scriptstyle limits nolimits xspace noindent protect centering allowbreak nobreakdash".split()
)
SIZES = frozenset("left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle bigm".split())
SPACES = {
    "quad": " ",
    "qquad": " ",
    "space": " ",
    "newline": " ",
    "par": " ",
    "linebreak": " ",
    "thinspace": " ",
    "enspace": " ",
    "hfill": " ",
}
CITES = frozenset("cite citep citet citealp citealt parencite textcite autocite".split())
ABBREVIATIONS = {
    "eg": "e.g.",
    "ie": "i.e.",
    "etc": "etc.",
    "etal": "et al.",
    "wrt": "w.r.t.",
    "vs": "vs.",
}  # macros of common styles
BLACKBOARD = dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))
SCRIPT = dict(zip("BEFHILMR", "ℬℰℱℋℐℒℳℛ", strict=True))

SUPERSCRIPT = dict(zip("0123456789+-=()niTabcdefghjklmoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True)) | {
    "*": "*", "′": "′", "∘": "°", "⊤": "ᵀ", "†": "†", "‡": "‡", "∗": "*", "⋆": "⋆", "″": "″", "°": "°", "−": "⁻",
}  # fmt: skip
SUBSCRIPT = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True)) | {
    "β": "ᵦ",
    "γ": "ᵧ",
    "ρ": "ᵨ",
    "φ": "ᵩ",
    "χ": "ᵪ",
}
SCRIPTS = frozenset("".join((*SUPERSCRIPT.values(), *SUBSCRIPT.values()))) - {"*", "†", "‡", "⋆"}
ROOTS = {"[2]": "√", "[3]": "∛", "[4]": "∜"}
FUNCTIONS = frozenset(
    "log ln lg exp sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth max min sup inf lim limsup liminf arg argmax argmin det dim ker hom gcd "
    "deg Pr".split()
)


def _symbols() -> dict[str, str]:
    found = {name: name for name in FUNCTIONS}
    for category in get_default_latex_context_db().d.values():
        for name, spec in category["macros"].items():
            character = getattr(spec, "simplify_repl", None)
            if (
                name.isalpha()
                and isinstance(character, str)
                and character
                and "%" not in character
                and "<" not in character
            ):
                found.setdefault(name, character)
    unwanted = (
        TEXT_FONTS
        | MATH_FONTS
        | DECLARATIONS
        | CITES
        | MATH_ACCENTS.keys()
        | ACCENTS.keys()
        | {"today", "item", "not", "id", "vspace", "title", "author", "date"}
    )
    return {name: character for name, character in (found | _OURS).items() if name not in unwanted}


SYMBOLS = _symbols()
