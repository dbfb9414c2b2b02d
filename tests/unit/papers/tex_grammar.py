"""Sources as authors, clean-ups and attackers write them: TeX of every kind, nested and broken, for hypothesis to draw from."""

from __future__ import annotations

from hypothesis import strategies as st

from digest.papers import symbols

# ruff: noqa: SIM905 - words in a row are easier to read than a tall list of quoted ones
WORDS = "word ab x 12 3 10 GPT 4o über 学习 дом ال k i of don't re 5% $5 e.g. a1".split()
WITH_ARGUMENT = [
    *sorted(symbols.TEXT_FONTS | symbols.MATH_FONTS | symbols.CITES | symbols.MATH_ACCENTS.keys() | symbols.ACCENTS.keys()),
    *"sqrt frac pmod not href url footnote ensuremath label unknown left t b".split(),
]  # fmt: skip
_NAMES = (symbols.SYMBOLS, symbols.LETTERS, symbols.DECLARATIONS, symbols.SIZES, symbols.SPACES, symbols.ABBREVIATIONS)
ALONE = [*sorted({name for names in _NAMES for name in names}), *r"\,;:! %&#$_{}-/@()[]|ij"]
SIGNS = [*"$ $$ { } \\ ` `` ' '' ~ - -- --- % & . , ( ) [ ] < > = * ^ _".split(), "\n", "\n\n"]


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    many = st.tuples(st.sampled_from(["", " "]), st.lists(inner, max_size=4)).map(lambda drawn: drawn[0].join(drawn[1]))
    braced = many.map(lambda text: f"{{{text}}}")
    argument = braced | inner | st.just("[3]").flatmap(lambda option: braced.map(lambda text: option + text))
    return st.one_of(
        st.tuples(st.sampled_from(WITH_ARGUMENT), st.sampled_from(["", " "]), argument).map(
            lambda drawn: f"\\{''.join(drawn)}"
        ),
        st.tuples(braced, braced).map(lambda drawn: f"\\frac{''.join(drawn)}"),
        st.tuples(st.sampled_from("_^"), argument).map("".join),
        many.map(lambda text: f"${text}$"),
        many.map(lambda text: f"\\({text}\\)"),
        many.map(lambda text: f"``{text}''"),
        many.map(lambda text: f"\\begin{{matrix}}{text}\\end{{matrix}}"),
        braced,
        many,
    )


_LEAF = (
    st.sampled_from(WORDS)
    | st.sampled_from(SIGNS)
    | st.tuples(st.sampled_from(ALONE), st.sampled_from(["", " ", "{}"])).map(lambda drawn: f"\\{''.join(drawn)}")
)
sources = st.recursive(_LEAF, _around, max_leaves=25)
