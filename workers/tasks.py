"""Tasks: a few lines each that call the pipeline and hint to the next stage. None of them carries data that matters."""

from __future__ import annotations

from typing import Any

from digest import pipeline
from digest.install import Install
from workers.app import app, current_install

DELIVER_SECONDS = 45.0  # a deliver task hands over to the next one after this long
MOST_HINTS = 8  # tasks that look for the same kind of work at once


@app.task
def tick() -> None:
    """Look who is due; show that beat and a worker live."""
    install = current_install()
    pipeline.heartbeat(install)
    pipeline.plan(install)
    hint_at_work(install)


@app.task
def ingest(source: str) -> None:
    pipeline.ingest(current_install(), source, unless_busy=True)


@app.task
def rank() -> None:
    report = pipeline.rank(current_install(), seconds=DELIVER_SECONDS)
    if report.counts["editions"]:
        hint("deliver", report.counts["editions"] // pipeline.DELIVER_CHUNK + 1)
    if report.counts["ranked"] and not report.is_finished:
        hint("rank", 1)


@app.task
def deliver() -> None:
    report = pipeline.deliver(current_install(), seconds=DELIVER_SECONDS)
    if report.ok and not report.reason and not report.is_finished:  # with a reason, say a pause, the next tick looks
        hint("deliver", 1)


@app.task
def letters() -> None:
    pipeline.deliver(current_install(), letters=True, seconds=DELIVER_SECONDS)


@app.task
def sweep() -> None:
    """What was lost with a broker, a worker or a machine is found here; late, and never twice."""
    install = current_install()
    pipeline.sweep(install)
    hint_at_work(install)


@app.task
def learn() -> None:
    pipeline.learn_if_due(current_install())


@app.task
def bounces() -> None:
    install = current_install()
    if install.settings.bounce_maildir:
        pipeline.take_in_maildir(install, install.settings.bounce_maildir)


def hint_at_work(install: Install) -> None:
    """Call for as many workers as there is work."""
    work = pipeline.work(install.engine, install.now(), MOST_HINTS * max(pipeline.RANK_CHUNK, pipeline.DELIVER_CHUNK))
    hint("rank", -(-work.to_rank // pipeline.RANK_CHUNK))
    hint("letters", -(-work.letters // pipeline.DELIVER_CHUNK))
    hint("deliver", -(-work.digests // pipeline.DELIVER_CHUNK))


QUEUE_OF = {"rank": "rank", "deliver": "deliver", "letters": "render", "tick": "upkeep"}


def hint(task: str, times: int, **options: Any) -> None:
    """Make workers look; at most MOST_HINTS at once, since each goes on until nothing is left."""
    for _ in range(min(times, MOST_HINTS)):
        app.send_task(f"workers.tasks.{task}", queue=QUEUE_OF[task], **options)
