"""Style sheet into style attributes: the only place that knows premailer."""

from __future__ import annotations

import logging

from premailer import Premailer

calls = 0  # how often premailer ran in this process; the render benchmark reads it


def inline(html: str) -> str:
    """The document with its `<style>` rules written into the elements; `<style data-premailer="ignore">` stays as it is.

    `strip_important` would kill the phone and dark rules, classes are what those rules aim at, and nothing is ever
    fetched. The document must start with `<!DOCTYPE html>` in this case, else premailer drops it.
    """
    global calls
    calls += 1
    worker = Premailer(
        html,
        strip_important=False,
        remove_classes=False,
        allow_network=False,
        disable_validation=True,
        disable_basic_attributes=["width", "height"],
        cssutils_logging_level=logging.CRITICAL,
    )
    inlined: str = worker.transform(pretty_print=False)
    return inlined
