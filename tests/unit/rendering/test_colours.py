"""Light and dark: every text of a mail can be read on what lies behind it."""

from __future__ import annotations

import re

import pytest

from digest.settings import data_root

READABLE = 4.5  # https://www.w3.org/TR/WCAG21/#contrast-minimum
GROUNDS = {"vote": "vote", "button-link": "button"}  # all other text stands on the column
Rules = dict[tuple[str, str], str]  # (class, property) -> colour


def rules(file: str, after: str = "") -> Rules:
    """The colours that a style sheet gives to classes, of its part behind `after`."""
    css = (data_root() / "templates" / "email" / "_base" / file).read_text(encoding="utf-8")
    found = {}
    for names, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css[css.index(after) + len(after) :]):
        for name in re.findall(r"\.([\w-]+)", names):
            for kind, colour in re.findall(r"(?<![\w-])(color|background-color): (#[0-9a-f]{6})", body):
                found[name, kind] = colour
    return found


LIGHT = rules("style.css")
DARK = rules("client.css", "(prefers-color-scheme: dark) {")


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio"""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_it_can_be_read(colours: Rules) -> None:
    inks = {name: colour for (name, kind), colour in colours.items() if kind == "color"}
    assert len(inks) > 15
    for name, ink in inks.items():
        ground = colours[GROUNDS.get(name, "column"), "background-color"]
        assert contrast(ink, ground) >= READABLE, f"{name}: {ink} on {ground}"


def test_it_leaves_no_light_colour_in_the_dark() -> None:
    assert set(LIGHT) == set(DARK)
