"""The pages of the inbox: a list, and each mail as HTML, text, headers or file. They need no JavaScript."""

from __future__ import annotations

import re

from flask import Flask, Response, abort, render_template, request, url_for

from digest.settings import data_root
from digest.web.devinbox.folder import Mail, MailFolder

PAGE_SIZE = 50
VIEWS = ("html", "text", "headers")
# A mail runs no script and sends no form here; its links open beside the inbox, as in a mail program.
MAIL_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:"


def create_inbox_app(mails: MailFolder, title: str = "Inbox", beside: tuple[str, str] | None = None) -> Flask:
    """The inbox as a Flask app over one folder of mails; `beside` is (label, address) of a page to link to."""
    app = Flask(__name__, template_folder=str(data_root() / "templates" / "inbox"), static_folder=None)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.get("/")
    def index() -> str:
        numbers = mails.numbers()[::-1]
        page = max(request.args.get("page", 1, type=int), 1)
        shown = [mails.mail(number) for number in numbers[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]]
        return render_template(
            "index.html", mails=shown, total=len(numbers), page=page, is_last=page * PAGE_SIZE >= len(numbers)
        )

    @app.get("/mail/<int:number>")
    def mail(number: int) -> str:
        found = _find(mails, number)
        view = request.args.get("view", "html" if found.html else "text")
        if view not in VIEWS:
            abort(404)
        return render_template(
            "mail.html", mail=found, view=view, views=VIEWS, is_newest=number == max(mails.numbers())
        )

    @app.get("/mail/<int:number>/html")
    def html(number: int) -> Response:
        page = Response(_with_links_outside(_find(mails, number).html), mimetype="text/html")
        page.headers["Content-Security-Policy"] = MAIL_POLICY
        return page

    @app.get("/mail/<int:number>.eml")
    def source(number: int) -> Response:
        name = f"attachment; filename={number:06d}.eml"
        return Response(_find(mails, number).raw, mimetype="message/rfc822", headers={"Content-Disposition": name})

    @app.context_processor
    def addresses() -> dict[str, object]:
        return {"home": url_for("index"), "title": title, "beside": beside}

    return app


def _find(mails: MailFolder, number: int) -> Mail:
    try:
        return mails.mail(number)
    except KeyError:
        abort(404)


def _with_links_outside(html: str) -> str:
    """The same HTML whose links open in a tab of their own; inside the frame most pages refuse to be shown."""
    base = '<base target="_blank">'
    changed, found = re.subn(r"<head\b[^>]*>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE)
    return changed if found else base + html
