"""Logs: one format for all processes, JSON in production, and never an address or a token in clear."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from digest.settings import Settings

_ADDRESS = re.compile(r"([^\s@<>\"'(),:;=/]+)@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)")
_TOKEN = re.compile(r"/(u|c|p|a|v|e|k)/[A-Za-z0-9_-]{16,}")
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")


def redact(text: str) -> str:
    """The text with mail addresses as a***@domain, tokens of links and passwords in URLs cut out."""
    text = _TOKEN.sub(r"/\1/***", text)
    if "@" not in text:
        return text
    text = _PASSWORD.sub(r"\1***@", text)
    return _ADDRESS.sub(lambda found: f"{found[1][0]}***@{found[2]}", text)


def _redact_event(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
        elif isinstance(value, (dict, list, tuple)):
            event[key] = redact(str(value)) if "@" in str(value) else value
    return event


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's logging to stderr in one format."""
    is_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Any] = (
        [structlog.processors.JSONRenderer()]
        if is_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact_event,
                *last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("httpx", "httpcore", "celery.beat", "kombu", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)  # warns that an embedded broker has no host name
