"""The flag by which a worker tells its pool processes to end."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest

from workers.app import SharedStop


def _wait_for(stop: Any, told: Any) -> None:
    while not stop.is_set():
        told.send(False)
        told.recv()
    told.send(True)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on forks beside threads
def test_it_is_seen_by_forked_processes_also_after_one_was_killed() -> None:
    fork, stop = multiprocessing.get_context("fork"), SharedStop()
    children = []
    for _ in range(2):
        ours, theirs = fork.Pipe()
        child = fork.Process(target=_wait_for, args=(stop, theirs))
        child.start()
        assert ours.recv() is False
        children.append((child, ours))
    children[0][0].kill()
    children[0][0].join(20)
    stop.set()
    children[1][1].send(None)
    assert children[1][1].recv() is True
    children[1][0].join(20)
    assert children[1][0].exitcode == 0
