"""Dialogues that take turns in one thread: who goes on when, who waits, and what an error does."""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Iterator
from threading import Event
from time import monotonic

import pytest

from digest.delivery.smtp.loop import Loop, Places, alone, apart, asleep, readable, writable


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    yield one, other
    one.close()
    other.close()


def test_it_lets_others_go_on_while_one_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    heard: list[bytes] = []

    async def listener() -> None:
        for _ in range(3):
            assert await readable(one.fileno(), math.inf)
            heard.append(one.recv(10))

    async def speaker() -> None:
        for word in (b"a", b"b", b"c"):
            assert await writable(other.fileno(), math.inf)
            other.send(word)
            await asleep(0.001)

    Loop().run([listener(), speaker()])
    assert heard == [b"a", b"b", b"c"]


def test_it_says_when_nothing_came_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    async def listener() -> bool:
        return await readable(pair[0].fileno(), monotonic() + 0.01)

    assert alone(listener()) is False


def test_it_watches_a_new_socket_that_has_the_number_of_an_old_one() -> None:
    async def twice() -> list[bytes]:
        heard, numbers = [], set()
        for word in (b"a", b"b"):
            one, other = socket.socketpair()
            with one, other:
                numbers.add(one.fileno())
                other.send(word)
                assert await readable(one.fileno(), monotonic() + 5)
                heard.append(one.recv(10))
        assert len(numbers) == 1
        return heard

    assert alone(twice()) == [b"a", b"b"]


def test_it_lets_others_go_on_while_something_blocks_apart() -> None:
    is_said, heard = Event(), []

    async def blocked() -> None:
        heard.append(await apart(lambda: is_said.wait(5)))

    async def speaker() -> None:
        is_said.set()

    Loop().run([blocked(), speaker()])
    assert heard == [True]


def test_it_raises_what_was_raised_apart() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        alone(apart(lambda: int("x")))


def test_it_ends_all_when_one_fails(pair: tuple[socket.socket, socket.socket]) -> None:
    ended: list[str] = []

    async def waiting() -> None:
        try:
            await readable(pair[0].fileno(), math.inf)
        finally:
            ended.append("waiting")

    async def failing() -> None:
        await asleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Loop().run([waiting(), failing()])
    assert ended == ["waiting"]


def test_it_gives_places_in_the_order_of_asking() -> None:
    loop, at_once, served = Loop(), [0], []
    places = Places(loop, 2, math.inf)

    async def visitor(name: int) -> None:
        await places.take(name) or await places.take(name)
        served.append(name)
        at_once.append(at_once[-1] + 1)
        await asleep(0.001)
        at_once.append(at_once[-1] - 1)
        places.give_back(name)

    loop.run([visitor(name) for name in range(6)])
    assert served == list(range(6))
    assert max(at_once) == 2


def test_it_passes_on_a_place_that_is_held_for_too_long() -> None:
    loop, order = Loop(), []
    places = Places(loop, 1, 0.01)

    async def slow() -> None:
        assert await places.take("slow")
        for _ in range(5_000):
            if len(order) < 2:
                await asleep(0.001)
        order.append("slow")
        places.give_back("slow")

    async def next_one(name: str) -> None:
        await places.take(name) or await places.take(name)
        order.append(name)
        places.give_back(name)

    loop.run([slow(), next_one("second"), next_one("third")])
    assert order == ["second", "third", "slow"]


def test_it_tells_the_next_ones_to_make_ready() -> None:
    loop, told = Loop(), []
    places = Places(loop, 1, math.inf)

    async def visitor(name: str) -> None:
        has_place = await places.take(name)
        told.append((name, has_place))
        has_place or await places.take(name)
        await asleep(0.001)
        places.give_back(name)
        told.append((name, "gone"))

    loop.run([visitor(name) for name in "abc"])
    # c is told as soon as b, which was before it, has its place
    assert told == [("a", True), ("b", False), ("a", "gone"), ("c", False), ("b", "gone"), ("c", "gone")]


def test_it_lets_nobody_wait_long_before_making_ready() -> None:
    loop, told = Loop(), []
    places = Places(loop, 1, math.inf)

    async def holder() -> None:
        await places.take("holder")
        for _ in range(5_000):
            if len(told) < 3:
                await asleep(0.001)
        places.give_back("holder")

    async def visitor(name: str) -> None:
        has_place = await places.take(name)
        told.append((name, has_place))
        has_place or await places.take(name)
        places.give_back(name)

    loop.run([holder(), *(visitor(name) for name in "abc")])
    assert sorted(told) == [("a", False), ("b", False), ("c", False)]


def test_it_gives_no_place_to_one_that_has_gone_from_the_queue() -> None:
    loop, served = Loop(), []
    places = Places(loop, 1, math.inf)

    async def visitor(name: str, *, stays: bool) -> None:
        if stays:
            await places.take(name) or await places.take(name)
            served.append(name)
            await asleep(0.001)
        else:
            assert not await places.take(name)
        places.give_back(name)

    loop.run([visitor("first", stays=True), visitor("gone", stays=False), visitor("last", stays=True)])
    assert served == ["first", "last"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_forgets_nobody_who_waits_for_a_place(count: int) -> None:
    """Whatever is slow, gives up or loses its place to the next: all come to an end, and no more than allowed at once."""
    draw = random.Random(count)
    loop, served, in_hand = Loop(), [], set()
    places = Places(loop, count, 0.004)

    async def visitor(name: int) -> None:
        for _ in range(12):
            is_slow, gives_up = draw.random() < 0.2, draw.random() < 0.1
            try:
                if not await places.take(name):
                    await asleep(draw.choice([0, 0.0005, 0.01]))
                    if gives_up:
                        continue
                    assert await places.take(name)
                in_hand.add(name)
                assert is_slow or len(in_hand - slow) <= count
                if is_slow:
                    slow.add(name)
                await asleep(0.01 if is_slow else 0)
            finally:
                places.give_back(name)
                in_hand.discard(name)
                slow.discard(name)
            served.append(name)

    async def watch() -> None:
        for _ in range(5_000):
            await asleep(0.001)
            if len(ended) == 9:
                return
        raise AssertionError(f"{9 - len(ended)} still wait")

    async def counted(name: int) -> None:
        await visitor(name)
        ended.append(name)

    slow: set[int] = set()
    ended: list[int] = []
    loop.run([*(counted(name) for name in range(9)), watch()])
    assert set(served) == set(range(9))


def test_it_takes_a_place_from_nobody_who_has_come_again() -> None:
    loop, order = Loop(), []
    places = Places(loop, 1, 0.02)

    async def comes_twice() -> None:
        assert await places.take("a")
        await asleep(0.015)  # b waits for a by now, and will be late soon
        places.give_back("a")
        assert not await places.take("a")
        order.append("a waits")
        assert await places.take("a")
        order.append("a")
        places.give_back("a")

    async def slow() -> None:
        assert not await places.take("b")
        assert await places.take("b")
        await asleep(0.01)
        order.append("b")
        places.give_back("b")

    loop.run([comes_twice(), slow()])
    assert order == ["a waits", "b", "a"]
