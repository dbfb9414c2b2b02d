"""What a web process calls after a commit, so that a worker looks at once and not with the next tick."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from digest.stage import Nudge, Work

log = structlog.get_logger(__name__)


TASK_OF: dict[Work, str] = {
    "letters": "letters",
    "plan": "tick",
}  # a stage of the pipeline -> the task that looks for its work


def nudger() -> Nudge:
    """A function that takes a stage, `letters` or `plan`. It never waits, and without a broker the next tick does it."""
    threads = ThreadPoolExecutor(1, thread_name_prefix="nudge")

    def nudge(stage: Work) -> None:
        threads.submit(_send, TASK_OF[stage])

    return nudge


def _send(task: str) -> None:
    from workers.tasks import hint  # Celery is slow to import, and the web answers before it is needed

    try:
        hint(task, 1, retry=False)
    except (KombuError, RedisError, OSError) as error:
        log.warning("nudge.lost", task=task, error=str(error))
