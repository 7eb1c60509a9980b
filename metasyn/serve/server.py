"""`metasyn serve` in Python: follow a project until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from metasyn.records import Layout
from metasyn.serve import DEFAULT_PORT
from metasyn.serve.addresses import known_hosts, listening_sockets
from metasyn.serve.application import application
from metasyn.serve.events import Hub
from metasyn.serve.snapshot import Snapshot
from metasyn.serve.watching import watch
from metasyn.serve.workshop import Workshop

GRACE = 2  # s that an answer under way is waited for at the end


def serve(layout: Layout, *, port: int = DEFAULT_PORT, open_browser: bool = False) -> None:
    """Serve the page of a project on this machine until Ctrl-C.

    Parameters
    ----------
    layout : Layout
        The project.
    port : int
        On 127.0.0.1 and ::1; 0 lets the system choose a free one. Nothing is served elsewhere.
    open_browser : bool
        Open the page.

    Raises
    ------
    UsageError
        If the port is taken.
    """
    sockets = listening_sockets(port)
    asyncio.run(_serve(layout.root, sockets, open_browser))


async def _serve(root: Path, sockets: list[socket.socket], open_browser: bool) -> None:
    loop, hub, stop = asyncio.get_running_loop(), Hub(), asyncio.Event()
    port = sockets[0].getsockname()[1]
    config = uvicorn.Config(
        application(root, hub, known_hosts(port)),
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config)
    workshop = Workshop(root, lambda snapshot: _in_loop(loop, hub, snapshot), lambda: hub.viewed)
    with _interrupts(loop, stop):
        workshop.start()
        watching = asyncio.create_task(watch(root, workshop.saved, workshop.look_again, stop))
        answering = asyncio.create_task(server.serve(sockets=sockets))
        print(f"metasyn: {root.name} is at http://localhost:{port}/ (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if open_browser:
            webbrowser.open(f"http://localhost:{port}/")
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, watching, answering}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        hub.close()
        server.should_exit = True
        await asyncio.gather(watching, answering)
    print("metasyn: ended", file=sys.stderr)


def _in_loop(loop: asyncio.AbstractEventLoop, hub: Hub, snapshot: Snapshot) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended: nobody looks any more
        loop.call_soon_threadsafe(hub.publish, snapshot)


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to its caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _interrupts(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and a polite kill end the server; a second Ctrl-C ends it at once."""

    def asked(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
