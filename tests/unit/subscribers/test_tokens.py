from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.subscribers.signer import Signer
from digest.subscribers.tokens import ClickLink, ConfirmLink, Links, VoteLink, vote_ending

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)
OLD, NEW = b"o" * 40, b"n" * 40
signer = Signer([OLD])
links = Links(signer, "bounces.example.org")
ids = st.integers(1, 2**40 - 1)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
papers = st.integers(1, 2**32 - 1)


@given(ids, papers, ids, st.integers(1, 2**35 - 1), st.booleans())
@settings(max_examples=50)
def test_it_reads_back_what_each_link_carries(
    subscriber_id: int, paper_id: int, delivery_id: int, voted_id: int, is_more: bool
) -> None:
    assert links.read_unsubscribe(links.unsubscribe(subscriber_id)) == subscriber_id
    assert links.read_preferences(links.preferences(subscriber_id)) == subscriber_id
    assert links.read_edition(links.edition(delivery_id)) == delivery_id
    assert links.read_vote(links.vote(subscriber_id, delivery_id, voted_id, is_more)) == VoteLink(
        subscriber_id, delivery_id, voted_id, is_more
    )
    click = links.clicks(subscriber_id, [paper_id], delivery_id)[0].decode()
    assert links.read_click(click) == ClickLink(subscriber_id, paper_id, delivery_id)
    assert links.read_envelope_sender(links.envelope_sender(delivery_id)) == delivery_id
    assert links.read_unsubscribe_address(links.unsubscribe_address(subscriber_id).upper()) == subscriber_id
    assert links.read_unsubscribe_address(links.envelope_sender(delivery_id)) is None
    assert links.read_envelope_sender(links.unsubscribe_address(subscriber_id)) is None


def test_it_makes_links_short() -> None:
    largest = 2**40 - 1
    assert len(links.unsubscribe(largest)) == 32
    others = [
        links.preferences(largest),
        links.edition(largest),
        links.confirm(largest, 2**31, NOW),
        links.address_change(largest, 2**31, NOW),
        links.undo(largest, NOW),
        links.vote(largest, largest, 2**35 - 1, True),
        links.clicks(largest, [2**32 - 1], largest)[0].decode(),
    ]
    assert max(map(len, others)) <= 43
    assert len(links.envelope_sender(largest).partition("@")[0]) <= 64


@given(ids, ids, papers)
@settings(max_examples=50)
def test_it_makes_the_links_of_a_mail_at_once(subscriber_id: int, delivery_id: int, paper_id: int) -> None:
    made = links.of_mail(subscriber_id, delivery_id, [5, 6], "c/x")
    assert made.unsubscribe.decode() == links.unsubscribe(subscriber_id)
    assert made.preferences.decode() == links.preferences(subscriber_id)
    assert made.edition.decode() == links.edition(delivery_id)
    assert made.unsubscribe_address.decode() == links.unsubscribe_address(subscriber_id)
    assert made.return_path == links.envelope_sender(delivery_id)
    assert made.action == b"c/x"
    for is_more in (True, False):
        token = made.vote.decode() + vote_ending(paper_id, is_more)
        assert token == links.vote(subscriber_id, delivery_id, paper_id, is_more)
    assert list(made.clicks) == links.clicks(subscriber_id, [5, 6], delivery_id)


@given(ids, papers, ids)
@settings(max_examples=300)
def test_it_makes_no_link_that_looks_like_a_bitcoin_address(
    subscriber_id: int, paper_id: int, delivery_id: int
) -> None:
    coin = re.compile(r"(?:^|[-/])[13][1-9A-HJ-NP-Za-km-z]{29,34}(?:-|$)")
    made = links.of_mail(subscriber_id, delivery_id, [paper_id])
    short = [one.decode() for one in (made.unsubscribe, made.preferences, made.edition)]
    long = [links.vote(subscriber_id, delivery_id, paper_id, is_more) for is_more in (True, False)]
    long += [links.confirm(subscriber_id, paper_id, NOW), links.undo(subscriber_id, NOW), made.clicks[0].decode()]
    assert not [token for token in short + long if coin.search(token)]
    assert max(map(len, long[:2])) - 16 < 27  # nor a vote, of which a mail has dozens, like a Litecoin address
    assert all(token[15] == "0" for token in long)


def test_it_keeps_purposes_apart() -> None:
    token = links.unsubscribe(5)
    assert links.read_preferences(token) is None
    assert links.read_edition(token) is None
    assert links.read_address_change(links.confirm(5, 1, NOW)) is None
    assert links.read_envelope_sender(links.unsubscribe_address(5).replace("u-", "b-")) is None
    assert links.read_click(links.vote(5, 6, 0, True)) is None
    assert links.read_vote(links.clicks(5, [0], 6)[0].decode()) is None


def test_it_reads_old_links_after_the_key_was_changed() -> None:
    rotated = Links(Signer([NEW, OLD]))
    assert rotated.read_unsubscribe(links.unsubscribe(5)) == 5
    assert rotated.unsubscribe(5) != links.unsubscribe(5)
    assert links.read_unsubscribe(rotated.unsubscribe(5)) is None
    assert rotated.read_vote(links.vote(5, 6, 3, True)) == VoteLink(5, 6, 3, True)
    assert links.read_vote(rotated.vote(5, 6, 3, True)) is None


def test_it_tells_keys_apart_that_share_an_id() -> None:
    keys: dict[bytes, bytes] = {}
    for number in range(2000):
        key = f"key {number}".encode()
        twin = keys.setdefault(Signer([key]).key_id, key)
        if twin != key:
            break
    both = Links(Signer([key, twin]))
    assert both.read_unsubscribe(Links(Signer([twin])).unsubscribe(5)) == 5
    assert both.read_unsubscribe(Links(Signer([key])).unsubscribe(6)) == 6


@given(st.integers(0, 35), st.sampled_from(LETTERS))
@settings(max_examples=300)
def test_it_refuses_a_vote_with_a_changed_letter(at: int, letter: str) -> None:
    token = links.vote(77, 78, 4, False)
    changed = token[:at] + letter + token[at + 1 :]
    assert links.read_vote(changed) == (VoteLink(77, 78, 4, False) if changed == token else None)


def test_it_gives_the_right_to_vote_in_one_mail_on_any_paper() -> None:
    one, other = links.vote(77, 78, 4, False), links.vote(77, 79, 5, True)
    assert links.read_vote(one[:36] + other[36:]) == VoteLink(77, 78, 5, True)
    for cut in range(1, 36):  # but what names reader and mail cannot be put together of two
        mixed = one[:cut] + other[cut:]
        assert mixed[:36] in (one[:36], other[:36]) or links.read_vote(mixed) is None


def test_it_has_no_vote_for_a_number_that_is_no_papers() -> None:
    for number in (-1, 2**35):
        with pytest.raises(OverflowError):
            vote_ending(number, is_more=True)


@given(st.integers(0, 31), st.characters())
@settings(max_examples=200)
def test_it_refuses_a_changed_letter(place: int, letter: str) -> None:
    token = links.unsubscribe(77)
    changed = token[:place] + letter + token[place + 1 :]
    assert links.read_unsubscribe(changed) == (77 if changed == token else None)


@given(st.text(max_size=80))
@settings(max_examples=200)
def test_it_refuses_whatever_else_is_sent(token: str) -> None:
    assert links.read_unsubscribe(token) is None
    assert links.read_vote(token) is None
    assert links.read_envelope_sender(token + "@bounces.example.org") is None
    assert links.read_envelope_sender(f"b-{token}@bounces.example.org") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: t + "=",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t * 20,
        lambda t: "",
    ],
)
def test_it_refuses_cut_and_padded_tokens(change) -> None:  # type: ignore[no-untyped-def]
    assert links.read_unsubscribe(change(links.unsubscribe(77))) is None
    assert links.read_confirm(change(links.confirm(77, 1, NOW))) is None


def test_it_refuses_a_second_spelling_of_the_same_bytes() -> None:
    token = links.confirm(1, 2, NOW)
    spare = LETTERS[LETTERS.index(token[-1]) + 1]
    assert links.read_confirm(token) is not None
    assert links.read_confirm(token[:-1] + spare) is None


def test_it_reads_a_return_path_whose_case_was_changed() -> None:
    path = links.envelope_sender(77)
    assert links.read_envelope_sender(path.upper()) == 77
    assert links.read_envelope_sender(f"<{path}>") == 77
    assert links.read_envelope_sender(path.replace("@", "@x.")) is None
    assert Links(Signer([NEW]), "bounces.example.org").read_envelope_sender(path) is None


def test_it_knows_how_long_a_confirmation_link_lives() -> None:
    link = links.read_confirm(links.confirm(5, 3, NOW))
    assert link == ConfirmLink(5, 3, NOW)
    assert link.is_current(NOW + timedelta(hours=47, minutes=59))
    assert not link.is_current(NOW + timedelta(hours=48))
    assert links.read_undo(links.undo(5, NOW), NOW + timedelta(days=29)) == 5
    assert links.read_undo(links.undo(5, NOW), NOW + timedelta(days=30)) is None


def test_it_will_not_sign_without_a_key() -> None:
    with pytest.raises(ValueError, match="SECRET_KEY"):
        Signer([b""])


def test_it_stands_for_a_text_without_telling_it() -> None:
    one = signer.fingerprint("client", "203.0.113.7")
    assert one == signer.fingerprint("client", "203.0.113.7")
    assert len(one) == 32
    assert one not in (signer.fingerprint("client", "203.0.113.8"), signer.fingerprint("address", "203.0.113.7"))
