"""Which sources there are, and how the settings make one. A new source is a module beside this one and a line in here."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from digest.settings import Settings
from digest.sources.arxiv import GAP_SECONDS, Arxiv
from digest.sources.base import Source
from digest.sources.file import File
from digest.sources.http import Http
from digest.sources.huggingface import HuggingFace
from digest.sources.pacing import Pace


def _huggingface(_engine: Engine, settings: Settings, http: Http) -> Source:
    return HuggingFace(http, settings.hf_url)


def _arxiv(engine: Engine, settings: Settings, http: Http) -> Source:
    return Arxiv(
        http,
        Pace(engine, "arxiv", GAP_SECONDS),
        feed_url=settings.arxiv_feed_url,
        api_url=settings.arxiv_api_url,
        oai_url=settings.arxiv_oai_url,
        categories=settings.arxiv_categories,
    )


def _file(_engine: Engine, settings: Settings, _http: Http) -> Source:
    return File(settings.papers_file)


SOURCES: dict[str, Callable[[Engine, Settings, Http], Source]] = {
    "huggingface": _huggingface,
    "arxiv": _arxiv,
    "file": _file,
}


def open_source(name: str, engine: Engine, settings: Settings, http: Http) -> Source:
    """Raises ValueError with the known names for an unknown one."""
    if name not in SOURCES:
        raise ValueError(f"{name!r} is no source; choose from {', '.join(SOURCES)}")
    return SOURCES[name](engine, settings, http)
