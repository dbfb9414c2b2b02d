"""The two servers of the inbox, each in a thread of its own: SMTP that takes everything, and the pages."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiosmtpd.smtp import SMTP, Envelope, Session
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from digest.web.devinbox.folder import MailFolder
from digest.web.devinbox.pages import create_inbox_app

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

LARGEST_MAIL_BYTES = 32 * 1024 * 1024
POLL_SECONDS = 0.05  # how soon close() is noticed


class Inbox:
    """A running inbox; `with` or close() ends it. `mails` can be read while it runs and afterwards."""

    def __init__(self, mails: MailFolder, host: str, smtp_port: int, http_port: int, stack: ExitStack) -> None:
        self.mails = mails
        self.host = host
        self.smtp_port = smtp_port
        self.http_port = http_port
        self.url = f"http://{host}:{http_port}/"
        self._stack = stack

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start_inbox(host: str, smtp_port: int, http_port: int, folder: Path, gallery: MailFolder | None = None) -> Inbox:
    """Take mail on `smtp_port` into `folder` and show it on `http_port`; port 0 picks a free one.

    `gallery` holds sample mails to be shown at /gallery/.

    Raises OSError when a port is taken.
    """
    mails = MailFolder(folder)
    with ExitStack() as stack:
        smtp_port = _start_smtp(mails, host, smtp_port, stack)
        http_port = _start_pages(_pages(mails, gallery), host, http_port, stack)
        return Inbox(mails, host, smtp_port, http_port, stack.pop_all())


class _CatchAll:
    """The handler that aiosmtpd calls for each mail."""

    def __init__(self, mails: MailFolder) -> None:
        self.mails = mails

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        self.mails.add(content, envelope.mail_from or "", tuple(envelope.rcpt_tos), datetime.now(UTC))
        return "250 2.0.0 taken"


class _QuietHandler(WSGIRequestHandler):
    """Serves without a line per request: the terminal belongs to the demo."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _listen(host: str, port: int, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_server((host, port)))


def _pages(mails: MailFolder, gallery: MailFolder | None) -> WSGIApplication:
    if gallery is None:
        return create_inbox_app(mails)
    samples = create_inbox_app(gallery, "One of every mail", ("Inbox", "/"))
    return DispatcherMiddleware(
        create_inbox_app(mails, beside=("One of every mail", "/gallery/")), {"/gallery": samples}
    )


def _start_pages(app: WSGIApplication, host: str, port: int, stack: ExitStack) -> int:
    listening = _listen(host, port, stack)
    pages = make_server(host, port, app, threaded=True, request_handler=_QuietHandler, fd=listening.fileno())
    stack.callback(_stop_pages, pages, _in_thread(lambda: pages.serve_forever(POLL_SECONDS)))
    return int(listening.getsockname()[1])


def _start_smtp(mails: MailFolder, host: str, port: int, stack: ExitStack) -> int:
    listening = _listen(host, port, stack)
    loop = asyncio.new_event_loop()

    def session() -> SMTP:
        return SMTP(
            _CatchAll(mails),
            hostname="inbox.localhost",
            ident="inbox",
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST_MAIL_BYTES,
            loop=loop,
        )

    thread = _in_thread(loop.run_forever)
    server = asyncio.run_coroutine_threadsafe(loop.create_server(session, sock=listening), loop).result(10)
    stack.callback(_stop_smtp, loop, server, thread)
    return int(listening.getsockname()[1])


def _in_thread(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True, name="inbox")
    thread.start()
    return thread


def _stop_smtp(loop: asyncio.AbstractEventLoop, server: asyncio.Server, thread: threading.Thread) -> None:
    async def end_sessions() -> None:
        server.close()
        sessions = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end_sessions(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def _stop_pages(pages: BaseWSGIServer, thread: threading.Thread) -> None:
    pages.shutdown()
    thread.join(10)
    pages.server_close()
