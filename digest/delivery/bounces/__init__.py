"""Reads returned mail: delivery reports, the free forms of single servers, spam complaints and automatic replies.

`parse` is pure. It trusts nothing: sizes, depth and time are bounded, and what it cannot place is no bounce.
"""

from digest.delivery.bounces.bounce import Bounce, Kind
from digest.delivery.bounces.report import parse, sent_to

__all__ = ["Bounce", "Kind", "parse", "sent_to"]
