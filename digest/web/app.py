"""The application: settings in, blueprints and guards wired, nothing decided here."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import structlog
from flask import Flask
from sqlalchemy import Engine

from digest.clock import Clock, real_now
from digest.db.engine import make_engine
from digest.ranking.shelf import ModelShelf
from digest.settings import Settings
from digest.stage import Nudge, Work
from digest.subscribers.signer import signer_of
from digest.subscribers.tokens import Links
from digest.web import (
    access,
    admin,
    editions,
    errors,
    feedback,
    guards,
    health,
    hooks,
    language,
    papers,
    preferences,
    preview,
    show,
    subscriptions,
)
from digest.web.kept import Pages
from digest.web.limits import Limits
from digest.web.site import KEY, Site
from digest.web.tryout import Tryout

STATIC_SECONDS = 31_536_000  # the address of the stylesheet changes with its content
log = structlog.get_logger("digest.web")


def create_app(
    settings: Settings,
    engine: Engine | None = None,
    clock: Clock = real_now,
    nudge: Nudge | None = None,
) -> Flask:
    """The website for these settings. `nudge(stage)` is called after a commit that a worker should see at once.

    Raises SettingsError without SECRET_KEY.
    """
    folder = settings.templates_dir / "web"
    app = Flask(
        "digest.web", template_folder=str(folder), static_folder=str(folder / "static"), static_url_path="/static"
    )
    app.config.from_mapping(
        SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS,
        SERVER_NAME=urlsplit(settings.public_url).netloc,  # addresses are made of it, never of what a client calls us
    )
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # /paper/https://arxiv.org/abs/... keeps its two
    app.extensions[KEY] = _site(settings, engine or make_engine(settings.database_url), clock, nudge)
    style = (folder / "static" / "style.css").read_bytes()
    app.jinja_env.globals["style_version"] = hashlib.sha256(style).hexdigest()[:12]
    for part in (access, guards, language, show, errors, admin):
        part.init_app(app)
    for noun in (papers, preview, subscriptions, preferences, editions, feedback, hooks, admin, health):
        app.register_blueprint(noun.blueprint)
    return app


def _site(settings: Settings, engine: Engine, clock: Clock, nudge: Nudge | None) -> Site:
    signer = signer_of(settings)
    return Site(
        settings=settings,
        engine=engine,
        clock=clock,
        nudge=_forgiving(nudge) if nudge else _nobody,
        links=Links(signer, settings.envelope_domain),
        fingerprint=signer.fingerprint,
        limits=Limits(settings.broker_url),
        pages=Pages(),
        tryout=Tryout(engine, ModelShelf(engine, settings.data_dir / "models", settings.embeddings_model).newest),
    )


def _forgiving(nudge: Nudge) -> Nudge:
    """What was committed stays done, whether or not a worker hears of it now."""

    def call(stage: Work) -> None:
        try:
            nudge(stage)
        except Exception as error:
            log.warning("no worker was woken; the next tick finds the work", stage=stage, error=type(error).__name__)

    return call


def _nobody(stage: Work) -> None:
    """Without workers to wake: they find the rows by themselves."""
