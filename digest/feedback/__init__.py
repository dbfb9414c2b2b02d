"""Votes and clicks, recorded once, and what they say of a taste."""
