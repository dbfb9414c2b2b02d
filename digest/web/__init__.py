"""The website: pages for readers, a page for the operator. `create_app` makes it."""

from digest.web.app import create_app

__all__ = ["create_app"]
