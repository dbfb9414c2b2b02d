"""Why something that a person typed cannot be used, as a sentence that can be said in their language."""

from __future__ import annotations

from collections.abc import Callable


class Refusal(ValueError):
    """`sentence` is English, marked for translation where it is written, and names in braces what `values` hold.

    Its text, `str(refusal)`, is that sentence filled in.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self._sentence, self._values = sentence, values

    def said(self, gettext: Callable[[str], str]) -> str:
        """The same in the language of `gettext`."""
        return gettext(self._sentence).format(**self._values)
