"""A process that ranks and sends whatever waits, as workers do, without a broker in between."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import structlog

from digest import outgoing, pipeline
from digest.install import Install
from digest.settings import Settings

Spoil = dict[str, int]  # stage -> id of the reader whose mail ends every process that works on it


def send_all_day(settings: Settings, spoil: Spoil) -> None:
    """Sweep, rank and deliver until told to end by SIGTERM; what goes wrong is said, and tried again."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _poison(spoil)
    install = Install.open(settings, stop=stop)
    while not stop.is_set():
        try:
            pipeline.sweep(install)
            pipeline.rank(install)
            pipeline.deliver(install)
        except Exception as error:  # as Celery does with a task that fails
            print(f"failed: {type(error).__name__}: {error}"[:300], flush=True)  # noqa: T201
        stop.wait(0.2)
    install.close()


def _poison(spoil: Spoil) -> None:
    """As a crash in native code does, or the kernel's when memory is short."""
    if reader := spoil.get("rank"):
        pipeline.draft = _ending(pipeline.draft, reader, lambda args: args[0])  # type: ignore[attr-defined]
    if reader := spoil.get("render"):
        outgoing.prepare = _ending(outgoing.prepare, reader, lambda args: args[1])
    if reader := spoil.get("send"):
        outgoing.message_id = _ending(outgoing.message_id, reader, lambda args: [args[0]])  # type: ignore[attr-defined]


def _ending(function: Callable[..., Any], reader: int, worked_on: Callable[[Any], Any]) -> Callable[..., Any]:
    def wrapped(*args: Any) -> Any:
        if any(one.subscriber_id == reader for one in worked_on(args)):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)

    return wrapped
