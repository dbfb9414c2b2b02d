"""What most senders do for every mail: a template, an inliner, the standard library's message, a connection, two commits."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

from jinja2 import Environment
from premailer import transform
from sqlalchemy import bindparam, select, update

from benchmarks._frozen import NOW
from digest.db.tables import DeliveryStatus, deliveries, subscribers
from digest.editions.store import load_editions
from digest.install import Install
from digest.rendering.view import card
from digest.rendering.wording import words_for

HTML = """<html><head><style>
body { font-family: Georgia, serif; margin: 0 } h1 { font-size: 24px; color: #222 } td { padding: 8px 16px }
a { color: #1a4f8b; text-decoration: none } .by { color: #666; font-size: 13px } p { line-height: 1.5; margin: 4px 0 }
.card { border-bottom: 1px solid #ddd } .foot { color: #888; font-size: 12px }
</style></head><body><h1>Papers of {{ day }}</h1><table>{% for one in cards %}<tr class="card"><td><h2><a
href="https://digest.example.org/paper/{{ loop.index }}?to={{ id }}">{{ one.title }}</a></h2><p class="by">{{ one.authors }}</p>
<p>{{ one.abstract }}</p><p><a href="https://digest.example.org/v/{{ id }}-{{ loop.index }}-1">More</a> <a
href="https://digest.example.org/v/{{ id }}-{{ loop.index }}-0">Less</a></p></td></tr>{% endfor %}</table>
<p class="foot"><a href="https://digest.example.org/u/{{ id }}">Unsubscribe</a></p></body></html>"""
TEXT = "{% for one in cards %}{{ one.title }}\n{{ one.authors }}\n\n{{ one.abstract }}\n\n{% endfor %}"


def send(install: Install, ids: list[int]) -> int:
    """Send these deliveries one after the other; returns how many."""
    environment = Environment(autoescape=True)
    html, text = environment.from_string(HTML), environment.from_string(TEXT)
    for id in ids:
        _send_one(install, id, html, text)
    return len(ids)


def _send_one(install: Install, id: int, html: object, text: object) -> None:
    engine, settings = install.engine, install.settings
    to_claim = update(deliveries).where(deliveries.c.id == bindparam("of"))
    with engine.begin() as connection:
        connection.execute(to_claim.values(status=DeliveryStatus.CLAIMED, worker="naive"), {"of": id})
        email = connection.execute(
            select(subscribers.c.email)
            .join(deliveries, deliveries.c.subscriber_id == subscribers.c.id)
            .where(deliveries.c.id == id)
        ).scalar_one()
    edition = load_editions(engine, [id])[id]
    values = {
        "cards": [card(pick.paper, words_for("en"), install.sender) for pick in edition.picks],
        "id": id,
        "day": edition.dated_on,
    }
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, email, f"Papers of {edition.dated_on}"
    message.set_content(text.render(values))  # type: ignore[attr-defined]
    message.add_alternative(transform(html.render(values)), subtype="html")  # type: ignore[attr-defined]
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port) as server:
        server.send_message(message)
    with engine.begin() as connection:
        done = {
            "status": DeliveryStatus.SUBMITTED,
            "attempts": 1,
            "reply_code": 250,
            "finished_at": NOW,
            "worker": None,
        }
        connection.execute(to_claim.values(done), {"of": id})
