"""What beat does, and how often. Every entry only makes a worker look; none of them means that there is work."""

from __future__ import annotations

from typing import Any

from digest.settings import Settings, parse_clock

INGEST_SECONDS = 60.0  # a look at what is due; the sources themselves are asked far less often
SWEEP_SECONDS = 30.0
LEARN_SECONDS = 3600.0
BOUNCES_SECONDS = 300.0


def beat_table(settings: Settings) -> dict[str, dict[str, Any]]:
    """Entries for Celery beat. With a fast clock everything that follows the hours of a day is looked at more often."""
    rate = parse_clock(settings.clock)[1] if settings.clock else 1.0

    def entry(task: str, queue: str, seconds: float) -> dict[str, Any]:
        return {
            "task": f"workers.tasks.{task}",
            "schedule": seconds,
            "options": {"queue": queue, "expires": max(seconds, 10.0)},
        }

    def simulated(seconds: float) -> float:
        return max(1.0, seconds / rate)

    table = {
        "tick": entry("tick", "upkeep", simulated(settings.tick_seconds) if rate > 1 else float(settings.tick_seconds)),
        "sweep": entry("sweep", "upkeep", SWEEP_SECONDS),
        "learn": entry("learn", "upkeep", simulated(LEARN_SECONDS)),
        **{
            f"ingest-{name}": entry("ingest", "ingest", simulated(INGEST_SECONDS)) | {"args": [name]}
            for name in settings.sources
        },
    }
    if settings.bounce_maildir:
        table["bounces"] = entry("bounces", "upkeep", BOUNCES_SECONDS)
    return table
