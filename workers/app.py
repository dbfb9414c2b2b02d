"""The Celery application: one broker, five queues, and settings that let a worker die at any instant.

Everything that must not be lost stands in the database; a task only says "look". So tasks are acknowledged late, carry
no data, and a lost or doubled one does no harm.
"""

from __future__ import annotations

import mmap
import os
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import (
    beat_init,
    before_task_publish,
    heartbeat_sent,
    setup_logging,
    worker_process_shutdown,
    worker_shutdown,
    worker_shutting_down,
)
from kombu import Queue

from digest.install import Install
from digest.logs import configure
from digest.settings import Settings, load
from workers import alive
from workers.schedule import beat_table

QUEUES = ("ingest", "rank", "render", "deliver", "upkeep")
SOFT_LIMIT, HARD_LIMIT = 60 * 15, 60 * 20  # a back-fill is long; deliver tasks end by themselves after a minute
VISIBILITY = HARD_LIMIT + 600  # longer than any task may run, so that Redis gives none out twice


class SharedStop:
    """Set in one process and seen in all that were forked from it since.

    A byte of shared memory without a lock: a process that is killed while it looks must not leave the others waiting.
    """

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def is_set(self) -> bool:
        return self._byte[0] != 0

    def set(self) -> None:
        self._byte[0] = 1


_stop = SharedStop()
_installs: dict[int, Install] = {}


def current_install() -> Install:
    """The install of this process: connections, journal and threads are never shared over a fork."""
    pid = os.getpid()
    if pid not in _installs:
        _installs.clear()
        _installs[pid] = Install.open(load(), stop=_stop)
    return _installs[pid]


def make_app(settings: Settings) -> Celery:
    """The application for these settings; `embedded` keeps its queues in a folder of DATA_DIR."""
    app = Celery("digest", include=["workers.tasks"])
    app.conf.update(
        broker_url=settings.broker_url,
        broker_transport_options={"visibility_timeout": VISIBILITY, "socket_connect_timeout": 3, "socket_timeout": 10},
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue="upkeep",
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_soft_time_limit=SOFT_LIMIT,
        task_time_limit=HARD_LIMIT,
        task_publish_retry=False,
        worker_soft_shutdown_timeout=30.0,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        timezone="UTC",
        enable_utc=True,
        beat_schedule=beat_table(settings),
    )
    if settings.broker_url == "embedded":
        app.conf.update(_embedded(settings))
    return app


def _embedded(settings: Settings) -> dict[str, Any]:
    """Queues as files: slow beside Redis, and fast enough for hints."""
    folder = settings.data_dir.absolute() / "broker"
    queue, control = folder / "queue", folder / "control"
    for path in (queue, control):
        path.mkdir(parents=True, exist_ok=True)
    options = {"data_folder_in": str(queue), "data_folder_out": str(queue), "control_folder": str(control)}
    return {"broker_url": "filesystem://", "broker_transport_options": options}


app = make_app(load())
warnings.filterwarnings("ignore", category=SecurityWarning)  # of root, for pickles in messages: ours are JSON
heartbeat_sent.connect(alive.sign)


@beat_init.connect
def _beating(**_: Any) -> None:
    before_task_publish.connect(alive.sign)


@setup_logging.connect
def _logging(**_: Any) -> None:
    configure(load())


@worker_shutting_down.connect
def _stopping(**_: Any) -> None:
    """Finish the mails in hand, begin no other."""
    _stop.set()


@worker_process_shutdown.connect
@worker_shutdown.connect
def _closed(**_: Any) -> None:
    for install in _installs.values():
        install.close()
    _installs.clear()
