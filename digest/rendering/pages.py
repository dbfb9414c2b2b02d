"""Templates to text and HTML: the only place that knows Jinja."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from digest.rendering.columns import underlined, wrap
from digest.rendering.inline import inline
from digest.rendering.skeleton import slot

CUT = slot("cut")


class Pages:
    """The templates of one folder. HTML is escaped, text is not, and a name that is missing is an error."""

    def __init__(self, folder: Path) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(folder),
            autoescape=select_autoescape(("html",), disabled_extensions=("txt", "css"), default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        self._templates.filters |= {"wrap": wrap, "underlined": underlined}

    def text(self, name: str, **values: object) -> str:
        """A text part."""
        return self._templates.get_template(name + ".txt").render(values)

    def html(self, name: str, **values: object) -> str:
        """A whole page or a part of one, its styles not yet inlined."""
        return tightened(self._templates.get_template(name + ".html").render(values))

    def inlined(self, page: str) -> str:
        return tightened(inline(page))

    def inlined_parts(self, parts: list[str]) -> list[str]:
        """Parts of a page, inlined together in one go."""
        style = self._templates.get_template("_base/style.css").render()
        between = CUT.join(["", *parts, ""])
        page = f'<!DOCTYPE html><html><head><meta charset="utf-8"><style>{style}</style></head><body>{between}</body></html>'
        return [tightened(part) for part in inline(page).split(CUT)[1:-1]]


def tightened(html: str) -> str:
    """Without blank lines and without white space around lines, which only costs bytes."""
    return re.sub(r"\s*\n\s*", "\n", html).strip()
