"""Ports of this machine: which are free, and a sentence for one that is not."""

from __future__ import annotations

import socket
from errno import EADDRINUSE

from digest.cli.shell import Failure


def require_port(host: str, port: int) -> None:
    """Raises Failure where nobody can listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            stop = "Stop the program that listens there, or give" if error.errno == EADDRINUSE else "Give"
            raise Failure(
                f"{host}:{port} is not to be had ({error.strerror}). {stop} another --port or --host."
            ) from None


def free_port(host: str, wanted: int) -> int:
    """The wanted port, or any free one when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure(f"no free port was found on {host}. Close a program that listens there, then try again.")
