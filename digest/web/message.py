"""The page that says one thing and may have buttons, each of them a form of its own."""

from __future__ import annotations

from flask import Response, make_response, render_template

from digest.subscribers import rows
from digest.web.language import speak
from digest.web.site import site

Button = tuple[str, dict[str, str], str]  # label, hidden fields, class


def message(
    title: str,
    *paragraphs: str,
    status: int = 200,
    buttons: list[Button] | None = None,
    links: list[tuple[str, str]] | None = None,
    action: str | None = None,
    question: tuple[str, list[Button]] | None = None,
) -> Response:
    """Buttons post to `action`, else to the address of the page itself; `links` are (label, address).

    `question` and its answers stand below, for who cares to answer.
    """
    asked, answers = question or ("", [])
    page = render_template(
        "message.html",
        title=title,
        paragraphs=paragraphs,
        buttons=buttons or [],
        links=links or [],
        action=action,
        asked=asked,
        answers=answers,
    )
    return make_response(page, status)


def speak_to(subscriber_id: int) -> None:
    """Answer in the language that this reader chose."""
    with site().reading() as connection:
        found = rows.get(connection, subscriber_id)
    if found is not None:
        speak(found.preferences.language)
