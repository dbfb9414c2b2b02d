from __future__ import annotations

from datetime import UTC, datetime, timedelta

from freezegun import freeze_time

from digest.clock import clock_from, real_now

START = datetime(2026, 6, 9, tzinfo=UTC)


@freeze_time("2026-11-23T07:00:00Z")
def test_it_reads_the_real_time_in_utc() -> None:
    assert real_now() == datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert clock_from("")() == real_now()


def test_it_runs_a_simulated_clock_from_its_origin_at_its_rate() -> None:
    with freeze_time("2026-11-23T07:00:00Z") as frozen:
        now = clock_from("2026-06-09T00:00:00Z@600", origin=real_now().timestamp())
        assert now() == START
        frozen.tick(6)
        assert now() == START + timedelta(hours=1)


def test_it_gives_processes_that_share_an_origin_the_same_time() -> None:
    with freeze_time("2026-11-23T07:00:00Z") as frozen:
        origin = real_now().timestamp()
        early = clock_from("2026-06-09T00:00:00Z@60", origin)
        frozen.tick(30)
        late = clock_from("2026-06-09T00:00:00Z@60", origin)
        assert early() == late() == START + timedelta(minutes=30)
