"""Ending one run, and not the process."""

from __future__ import annotations

from threading import Event

from digest.delivery.halt import Halt


def test_it_ends_with_what_is_above_it_but_not_the_other_way_round() -> None:
    process = Event()
    run, other = Halt(process), Halt(process)
    run.set()
    assert run.is_set()
    assert not other.is_set()
    assert not process.is_set()
    process.set()
    assert other.is_set()
