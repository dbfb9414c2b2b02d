"""Who asks: the client's network, seen through trusted proxies only."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import Request

Address = IPv4Address | IPv6Address
IPV6_PREFIX = 64  # one customer has at least a /64, so a single address says nothing


def client_network(request: Request, trusted: Sequence[str]) -> str:
    """The network that limits count: an IPv4 address, or the /64 of an IPv6 address."""
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    return network_of(right_most_untrusted(request.remote_addr or "", hops, trusted))


def right_most_untrusted(peer: str, hops: Sequence[str], trusted: Sequence[str]) -> Address | None:
    """The last hop that no trusted proxy is. Whatever stands left of it was written by the client itself."""
    networks = [ip_network(one, strict=False) for one in trusted]
    nearest = parse(peer)
    for hop in reversed(hops):
        if nearest is None or not any(nearest in network for network in networks):
            return nearest
        further = parse(hop)
        if further is None:
            return nearest
        nearest = further
    return nearest


def parse(text: str) -> Address | None:
    """An address with or without brackets and port; IPv4 inside IPv6 becomes IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def network_of(address: Address | None) -> str:
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
