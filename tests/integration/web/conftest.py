"""A site on an empty database, at a fixed instant, with what it nudged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import Engine

from digest.settings import Settings
from digest.web import create_app
from tests.builders import NOW


@dataclass
class World:
    """A running site: its clock stands still until a test moves it."""

    engine: Engine
    settings: Settings
    now: datetime = NOW
    nudged: list[str] = field(default_factory=list)
    address: str = ""  # where it listens, when a browser is to see it

    def __post_init__(self) -> None:
        self.app: Flask = create_app(self.settings, self.engine, lambda: self.now, self.nudged.append)
        self.client: FlaskClient = self.app.test_client(use_cookies=False)

    def pass_time(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def stored(self, add: Callable[..., Any], *args: Any, **values: Any) -> Any:
        """Add rows by one of tests/builders.py."""
        with self.engine.begin() as connection:
            return add(connection, *args, **values)

    def rows(self, statement: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(statement))


def site_settings(**changes: Any) -> Settings:
    return Settings(
        secret_key=SecretStr("s" * 40),
        mail_from="Digest <digest@example.org>",
        data_dir=Path("/nonexistent"),
        **changes,
    )


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine, site_settings())
