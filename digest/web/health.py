"""Whether the product lives, for machines that watch it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy import select

from digest.clock import real_now
from digest.db.tables import states
from digest.pipeline import work
from digest.web.metrics import CONTENT_TYPE_LATEST, exposition
from digest.web.site import site

blueprint = Blueprint("health", __name__)
STALE_TICKS = 5


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the database answers. The beat is told by the real clock, whatever is simulated. `beat_seconds` is the age of the scheduler's last sign of life."""
    here = site()
    with here.reading() as connection:
        beat_at = connection.execute(select(states.c.at).where(states.c.name == "beat")).scalar()
    age = None if beat_at is None else (real_now() - beat_at).total_seconds()
    is_beating = age is not None and age < STALE_TICKS * max(here.settings.tick_seconds, 60)
    response = jsonify(status="ok", database="ok", beat="ok" if is_beating else "stale", beat_seconds=age)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/metrics")
def metrics() -> Response:
    here = site()
    waits = work(here.engine, here.now())
    with here.reading() as connection:
        response = Response(exposition(connection, here.now(), waits), content_type=CONTENT_TYPE_LATEST)
    response.headers["Cache-Control"] = "no-store"
    return response
