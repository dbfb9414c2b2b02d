"""Source text becomes plain Unicode without losing a word."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.papers import text
from tests.unit.papers import tex_grammar

COMMAND = re.compile(r"\\[A-Za-z]+\*?|\\.", re.DOTALL)


def runs(source: str) -> list[str]:
    return re.findall(r"[^\W_]{2,}", COMMAND.sub(" ", source))


def lost(source: str, shown: str) -> list[str]:
    """Runs of two or more letters or digits that are not in `shown`, in order."""
    at, missing = 0, []
    for run in runs(source):
        found = shown.find(run, at)
        if found < 0:
            missing.append(run)
        else:
            at = found + len(run)
    return missing


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (r"$\alpha$-divergence for $L_2$ norms", "α-divergence for L₂ norms"),
        (r"G\"odel, Schr\"odinger and Erd\H{o}s", "Gödel, Schrödinger and Erdős"),
        (r"{\'E}tude, Fran\c cois, \O ystein, \v{S}im\'{\i}k, \L{}ukasz", "Étude, François, Øystein, Šimík, Łukasz"),
        (r"\textbf{Bold} and {\em it}, \emph {so}", "Bold and it, so"),
        (r"100\% of \$100 \& more", "100% of $100 & more"),
        ("``quoted'' text --- and~ties, Fig.~3, pages 1--3", "“quoted” text — and ties, Fig. 3, pages 1–3"),
        (r"LLM$\times$MapReduce, $\nabla^2$DFT, 2\times faster", "LLM×MapReduce, ∇²DFT, 2× faster"),
        (r"$O(n\log n)$, $10^{12}$, $x_{ij}^{-1}$, $\mathbb{R}^d$", "O(n log n), 10^12, x_ij⁻¹, ℝᵈ"),
        (r"$k$-means, $p < 0.05$, $(h,W)$, \(x^2\), $$a_1$$", "k-means, p < 0.05, (h,W), x², a₁"),
        (r"$\frac{a+b}{12}$ and $\sqrt{2}$, $\mathcal{L}_{\text{CLIP}}$", "(a+b)/12 and √2, ℒ_CLIP"),
        (r"$O(8^kn)$ and $X_iX_{j}$", "O(8^kn) and X_iXⱼ"),
        (r"a method, \eg, ours \etc.", "a method, e.g., ours etc."),
        (r"Code at \url{https://a.example/~b_c}", "Code at https://a.example/~b_c"),
        (r"na\"\i ve, \'\i{}x, \v Cech, {\o}, \LaTeX{}, \GitHub{}", "naïve, íx, Čech, ø, LaTeX, \\GitHub{}"),
        (r"$3\times$3, $\sim$5x, $n\times m$, $\pm 1$, $x \in A$", "3×3, ∼5x, n×m, ±1, x ∈ A"),
        (r"$\operatorname{argmax}_x f$, \ensuremath{\alpha_1}, $\sqrt[3]{x}$", "argmaxₓ f, α₁, ∛x"),
        (r"\textquotedblleft so\textquotedblright{} it is", "“so” it is"),
    ],
)
def test_it_says_tex_in_unicode(source: str, shown: str) -> None:
    assert text.title(source) == shown


@pytest.mark.parametrize(
    "source",
    [
        "Costs $5 or $10 a day", "$5 to $10", "50% fewer tokens", "US$ and A$ at $5-$10", "cost $5 for gpt_4 and $10", "100_000 and CO_2",
        "{{ 7*7 }} and {% raw %} and ${7*7} and #{7*7}", "Robert'); DROP TABLE papers;--", r"C:\users\name, \nThe, \d+, \r and \n, \.py",
        r"$\unknown{x}$ is balanced", r"$\frac12$ and $\pmod12$", r"\ref{\x}, \hspace{1cm}", r"$\sqrt[n]{x}$", "$5-$10", r"\textbf{unclosed $x_ and {", r"\begin{itemize} \item ab", "--flag --x", "~50%, 12~20%, /~user",
        "Let's <think> about <b>it</b> & more", "When a < b and c > d", "The <EOS> token", '"Why" isn\'t \'that\' `enough`?', "$", "$$", "\\", "{", "``", "AT&T &unknown; &copy",
        '\\"hello\\"', "```python```", "$HOME/$USER",
    ],
)  # fmt: skip
def test_it_leaves_alone_what_is_no_tex(source: str) -> None:
    assert text.title(source) == source


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Vision &amp; Language", "Vision & Language"),
        ("once &amp;amp; only", "once &amp; only"),
        ("It&#39;s &quot;time&quot; &#x3b1;", 'It\'s "time" α'),
        ("e\u0301cole", "école"),
        ("Learning \r\n  to \t summarise\u00a0 well ", "Learning to summarise well"),
        ("Paper \u202efdp.exe \u2066x\u2069 a\u200bb\ufeffc\u00add\x00\x07", "Paper fdp.exe x abcd"),
        ("lone \ud83d and \udc4d pair \ud83d\udc4d", "lone and pair 👍"),
        ("pay\u200dpal \u200c edge\u200d", "paypal edge"),
        ("👨\u200d👩\u200d👧 👍🏽 🇩🇪 می\u200cخواهم", "👨\u200d👩\u200d👧 👍🏽 🇩🇪 می\u200cخواهم"),
        ("z" + "\u0353" * 50 + "algo", "z" + "\u0353" * 4 + "algo"),
        ("ก" + "\u0e47" * 50, "ก" + "\u0e47" * 4),
        ("hid\ufe00\ufe01den \ufe0fx ❤\ufe0f\ufe0f 1\ufe0f\u20e3", "hidden x ❤\ufe0f 1\ufe0f\u20e3"),
        ("a\U000e0100b\U000e0fffc\u180fd", "abcd"),
        (" \u2800\u2800x\u2800 ", "x"),
        ("\u2800", ""),
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \U000e0041x",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f x",
        ),
        (" \u200b\u202e\n ", ""),
    ],
)
def test_it_repairs_characters(source: str, shown: str) -> None:
    assert text.title(source) == shown


def test_it_joins_wraps_and_keeps_paragraphs() -> None:
    wrapped = "  We study open-\nsource models on the\nWeb.\n  Our code is open.\n\nKeywords: x"
    assert text.abstract(wrapped) == "We study open-source models on the Web.\n\nOur code is open.\n\nKeywords: x"
    assert text.abstract("One line.\n  Two lines.\n  Three.") == "One line. Two lines. Three."
    assert text.abstract("深度\n学习") == "深度学习"


def folded(source: str) -> str:
    """Without accents and the dots of dotless letters, as a search compares."""
    apart = unicodedata.normalize("NFKD", source).translate(str.maketrans("ıȷ", "ij"))
    return "".join(c for c in apart if not unicodedata.combining(c))


@given(st.text(st.sampled_from("ab1 $\\{}_^~`'-%&é\n"), max_size=60) | tex_grammar.sources)
@settings(max_examples=400, deadline=None)
def test_it_loses_no_word_whatever_the_source(source: str) -> None:
    shown = text.abstract(source)
    assert not lost(folded(source), folded(shown))
    accents_off = re.sub(r"\\(?:[Hckruvd](?![A-Za-z])|['`^\"~=.])\s?\{?\s?(?:\\[ij](?![A-Za-z])\s?|\w)?", " ", source)
    assert not lost(unicodedata.normalize("NFC", accents_off), shown)


@pytest.mark.parametrize(
    "pair", ["\u3099\u302a", "\u0f72\u0f71", "\u094d\u093c", "\U0001d16d\U0001d165", "\u0eb8\u0e38", "\u20dd\u0488"]
)
def test_it_heaps_no_more_marks_on_a_letter_than_scripts_need(pair: str) -> None:
    """Normalising sorts a heap of marks in square time: half a million of them kept a worker busy for ten seconds."""
    assert len(text.abstract("a" + pair * 500_000)) == 5


@pytest.mark.parametrize(
    "bit",
    [
        "$",
        "{",
        "\\textbf{",
        "``",
        "\\'",
        "$x_",
        "&#x1D400;",
        "e\u0301" * 5,
        "\u200d",
        "\n ",
        "$\\frac{",
        "a~",
        "\\left",
        "-",
        "long words ",
        "``a",
        "$$",
    ],
)
def test_it_takes_a_megabyte_and_stays_within_its_cap(bit: str) -> None:
    huge = bit * (1_000_000 // len(bit))
    assert len(text.title(huge)) <= text.TITLE_LONGEST
    assert len(text.abstract(huge)) <= text.ABSTRACT_LONGEST


def test_it_splits_sentences_where_a_reader_would() -> None:
    prose = "We follow Smith et al. in Fig. 2, e.g. GPT-3.5 models. Is it U.S. law? It gains 2.4 points (see J. Doe). “Yes.” $O(n. M)$ holds."
    assert text.sentences(prose) == [
        "We follow Smith et al. in Fig. 2, e.g. GPT-3.5 models.", "Is it U.S. law?", "It gains 2.4 points (see J. Doe).", "“Yes.”", "$O(n. M)$ holds.",
    ]  # fmt: skip
    assert text.sentences("我们研究。结果很好。") == ["我们研究。", "结果很好。"]
    assert text.sentences("") == []


def test_it_clips_between_words_outside_formulas_and_graphemes() -> None:
    assert text.clip("short", 10) == "short"
    assert text.clip("one two three four", 12) == "one two…"
    assert text.clip(r"we show $\foo{a b} + c$ holds", 18) == "we show…"
    assert text.clip("👨\u200d👩\u200d👧" * 3, 8) == "👨\u200d👩\u200d👧…"
    assert text.clip("🇩🇪🇫🇷🇮🇹", 4) == "🇩🇪…"
    assert text.clip("word", 1) == "…"


@given(st.text(max_size=80), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_it_never_exceeds_the_limit(source: str, limit: int) -> None:
    assert len(text.clip(source, limit)) <= limit
