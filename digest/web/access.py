"""One log line a request: the rule that matched, never the path, so that no token or address is written down."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger("digest.web")


def init_app(app: Flask) -> None:
    app.before_request(_start)
    app.after_request(_log)


def _start() -> None:
    g.started = time.perf_counter()


def _log(response: Response) -> Response:
    rule = request.url_rule.rule if request.url_rule else "-"
    took_ms = round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1)
    log.info("request", method=request.method, rule=rule, status=response.status_code, ms=took_ms)
    return response
