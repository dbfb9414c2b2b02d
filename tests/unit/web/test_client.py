from __future__ import annotations

import pytest

from digest.web.client import network_of, parse, right_most_untrusted

PROXIES = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "hops", "network"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # the peer is no proxy: what it says is not believed
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1"], "198.51.100.1"),  # left of it is the client's own invention
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1", "nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]:80"], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("", [], "unknown"),
    ],
)
def test_it_counts_the_right_most_hop_that_is_no_proxy(peer: str, hops: list[str], network: str) -> None:
    assert network_of(right_most_untrusted(peer, hops, PROXIES)) == network


def test_it_believes_nobody_by_default() -> None:
    assert network_of(right_most_untrusted("127.0.0.1", ["198.51.100.1"], ())) == "127.0.0.1"


def test_it_takes_an_ipv6_network_as_one_client() -> None:
    assert network_of(parse("2001:db8::1")) == network_of(parse("2001:db8::ffff:1"))
