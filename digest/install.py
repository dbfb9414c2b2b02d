"""One process's real things, composed in one place from the settings."""

from __future__ import annotations

import gc
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from digest.clock import Clock, clock_from, real_now
from digest.db import states
from digest.db.engine import make_engine
from digest.delivery import dkim
from digest.delivery.board import OwnBoard, RedisBoard, SharedBoard
from digest.delivery.halt import Stop
from digest.delivery.journal import Journal
from digest.delivery.smtp import Pool, Security, Server
from digest.delivery.throttle import Throttle
from digest.ranking.shelf import ModelShelf
from digest.rendering.mime import Sender
from digest.rendering.renderer import Renderer
from digest.rendering.stock import Stock
from digest.settings import MASK, Settings, SettingsError
from digest.subscribers.signer import signer_of
from digest.subscribers.tokens import Links


@dataclass(frozen=True)
class Install:
    """What the stages of the pipeline work with. Each part is made when it is first needed, after any fork."""

    settings: Settings
    clock: Clock = real_now
    stop: Stop = field(default_factory=threading.Event)  # set when the process is asked to end

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.settings.database_url)

    @cached_property
    def links(self) -> Links:
        return Links(signer_of(self.settings), self.settings.envelope_domain)

    @cached_property
    def sender(self) -> Sender:
        settings = self.settings
        return Sender(
            public_url=settings.public_url,
            mail_from=settings.mail_from,
            list_id=settings.list_id or f"digest.{settings.from_domain}",
            reply_to=settings.mail_reply_to,
            postal_address=settings.postal_address,
            is_tracking=settings.click_tracking,
        )

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(self.sender)

    @cached_property
    def stock(self) -> Stock:
        return Stock(self.renderer)

    @cached_property
    def server(self) -> Server:
        settings = self.settings
        return Server(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=Security(settings.smtp_security),
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            hello=settings.envelope_domain,
            connect_timeout_s=min(30.0, settings.smtp_timeout),
            command_timeout_s=settings.smtp_timeout,
            eod_timeout_s=settings.smtp_data_timeout,
        )

    @cached_property
    def dkim(self) -> dkim.Signer | None:
        """Signs every mail where keys are set; else the mail server does, or nobody. Raises SettingsError for a bad key."""
        settings = self.settings
        if not settings.dkim_selector:
            return None
        selectors = [part.strip() for part in settings.dkim_selector.split(",")]
        try:
            keys = dkim.load_keys(
                settings.dkim_domain or settings.from_domain, selectors, settings.dkim_key.get_secret_value()
            )
        except ValueError as error:
            raise SettingsError(
                f"DIGEST_DKIM_KEY={MASK}: {error}. Give one PEM private key for each selector."
            ) from None
        return dkim.Signer(keys)

    @cached_property
    def pool(self) -> Pool:
        return Pool(self.server, self.settings.smtp_connections, self.settings.most_in_doubt)

    @cached_property
    def throttle(self) -> Throttle:
        """Shares its limits with other processes through the broker's Redis, where there is one."""
        url = self.settings.broker_url.replace("redis+socket://", "unix://")
        board = OwnBoard() if url == "embedded" else SharedBoard(RedisBoard(url))
        return Throttle(self.settings.send_rate, self.settings.domain_connections, board)

    @cached_property
    def journal_folder(self) -> Path:
        return self.settings.data_dir / "journal"

    @cached_property
    def journal(self) -> Journal:
        return Journal.create(self.journal_folder)

    @cached_property
    def models(self) -> ModelShelf:
        return ModelShelf(self.engine, self.settings.data_dir / "models", self.settings.embeddings_model)

    @classmethod
    def open(cls, settings: Settings, stop: Stop | None = None) -> Install:
        """The install of these settings, with a simulated clock where one is set: all its processes share the origin."""
        # A page of mails makes tens of thousands of small values at once. With Python's own threshold of 700, looking for
        # cycles among them and in the whole program took half of the time that sending takes.
        gc.set_threshold(50_000, 20, 20)
        install = cls(settings, stop=stop or threading.Event())
        if not settings.clock:
            return install
        with install.engine.begin() as connection:
            origin = states.put_first(connection, f"clock {settings.clock}", real_now().timestamp(), real_now())
        install.engine.dispose()
        return cls(settings, clock_from(settings.clock, origin), install.stop)

    def now(self) -> datetime:
        return self.clock()

    def abandon_journal(self) -> None:
        """Let go of the journal with all that stands in it, as if this process had died: the next sweep settles it."""
        if journal := self.__dict__.pop("journal", None):
            with suppress(OSError):  # a full disk: then its mails count as those of a worker that died
                journal.leave()
            journal.close()

    def close(self) -> None:
        """Let go of what was opened. A journal whose mails are all in the ledger is removed."""
        made = self.__dict__
        if "pool" in made:
            self.pool.close()
        if "journal" in made:
            self.journal.remove()
        if "engine" in made:
            self.engine.dispose()
