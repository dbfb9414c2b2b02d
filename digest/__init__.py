"""A daily research-paper digest by e-mail: every subscriber their own ranking, no mail lost or sent twice."""

__version__ = "0.1.0"
