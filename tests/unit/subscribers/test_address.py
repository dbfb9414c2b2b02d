from __future__ import annotations

import json

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.subscribers.address import AddressRefused, masked, own_mailboxes, parse
from tests.conftest import shared_dir

OWN = own_mailboxes("digest@example.net", "editor@example.net", "bounces.example.net")


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        (" Ann.Smith@Example.ORG\t", "Ann.Smith@example.org", "ann.smith@example.org"),
        ("\u00a0ann@example.org\u3000\r\n", "ann@example.org", "ann@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@straße.example", "ann@xn--strae-oqa.example", "ann@xn--strae-oqa.example"),
        ("Jose\u0301@example.org", "José@example.org", "josé@example.org"),
        ("a%0d%0aBcc@example.org", "a%0d%0aBcc@example.org", "a%0d%0abcc@example.org"),
    ],
)
def test_it_stores_and_compares_an_address(typed: str, email: str, key: str) -> None:
    address = parse(typed)
    assert (address.email, address.key) == (email, key)


def test_it_does_not_merge_readers_that_only_look_alike() -> None:
    pairs = [
        ("straße", "STRASSE"),
        ("ann", "аnn"),
        ("ann+a", "ann+b"),
        ("a.nn", "ann"),
        ("ﬁt", "fit"),
        ("ſam", "sam"),
        ("ａnn", "ann"),
    ]
    for one, other in pairs:
        assert parse(f"{one}@example.org").key != parse(f"{other}@example.org").key


@given(
    st.text("abZ09.!#+-_'=@é\" (<\u200d", max_size=20),
    st.sampled_from(["example.org", "b\u00fccher.example", "example", "x.test", "-a.org"]),
)
@settings(max_examples=150)
def test_it_judges_by_the_short_way_as_by_the_long_one(local: str, domain: str) -> None:
    text = f"{local}@{domain}".strip()
    try:
        expected = validate_email(text, strict=True, check_deliverability=False)
    except EmailNotValidError:
        with pytest.raises(AddressRefused):
            parse(text)
    else:
        assert parse(text).email == f"{expected.local_part}@{expected.ascii_domain}"


def test_it_counts_tags_and_dots_as_one_mailbox() -> None:
    assert (
        len({parse(f"{name}@example.org").limit_key for name in ("ann.lee", "Ann.Lee+x", "a.n.n.lee+y+z", "annlee")})
        == 1
    )
    assert parse("+ann@example.org").limit_key == "+ann@example.org"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "ann",
        "ann@example",
        "ann@example.org\r\nBcc: bob@example.org",
        "ann@example.org\u2028",
        "ann\u200b@example.org",
        "ann\u202e@example.org",
        "\ud800@example.org",
        "ann@[192.0.2.1]",
        '"a b"@example.org',
        "Ann <ann@example.org>",
        "ann@example.org.",
        "a" * 65 + "@example.org",
        "é" * 33 + "@example.org",
        "ann@" + "b" * 100_000,
        "ann@" + ".".join(["b" * 60] * 4) + ".example.org",
        "ann@xn--zzzzzz.example",
    ],
)
def test_it_refuses_with_a_sentence(typed: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        parse(typed)
    assert str(refused.value).endswith(".")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "digest@example.net",
        "DIGEST+x@example.net",
        "d.igest@example.net",
        "editor@example.net",
        "unsubscribe@example.net",
        "bounces@bounces.example.net",
        f"b-{'0a' * 24}@bounces.example.net",
    ],
)
def test_it_refuses_the_services_own_mailboxes(name: str) -> None:
    with pytest.raises(AddressRefused, match="service itself"):
        parse(name, OWN)
    assert parse("ann@example.net", OWN).email == "ann@example.net"


def test_it_shows_an_address_without_giving_it_away() -> None:
    assert masked("ann.smith@example.org") == "a***@example.org"
    assert masked("nonsense") == "***"


def test_it_gives_every_recorded_address_its_verdict() -> None:
    own = {
        "{from_address}": "digest@example.net",
        "{bounce_address}": f"b-{'0a' * 24}@bounces.example.net",
        "{unsubscribe_mailbox}": "unsubscribe@example.net",
    }
    for line in (shared_dir("hostile") / "addresses.jsonl").read_text().splitlines():
        case = json.loads(line)
        try:
            address = parse(own.get(case["email"], case["email"]), OWN)
        except AddressRefused:
            assert case["verdict"] in ("reject", "may"), case
            continue
        assert case["verdict"] in ("accept", "may"), case
        assert address.key == case.get("norm", address.key), case
        if "same_as" in case:
            assert address.key == parse(case["same_as"]).key
        if "not_same_as" in case:
            assert address.key != parse(case["not_same_as"]).key
