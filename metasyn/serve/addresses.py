"""Where the page can be reached: this machine alone, under the names that a browser may use for it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from metasyn.errors import UsageError

_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_HTTP_PORT = 80  # browsers leave it out of Host and Origin


def listening_sockets(port: int) -> list[socket.socket]:
    """Sockets on the loopback addresses of this machine, IPv4 and, where there is one, IPv6.

    Parameters
    ----------
    port : int
        0 lets the system choose a free one, the same for both.

    Raises
    ------
    UsageError
        If the port is taken, or may not be used: no other one is chosen in silence.
    """
    opened: list[socket.socket] = []
    try:
        for family, host in _LOOPBACK:
            number = opened[0].getsockname()[1] if opened else port
            found = _listen(family, host, number)
            if found is not None:
                opened.append(found)
    except OSError as error:
        for one in opened:
            one.close()
        raise UsageError(_refused(port, error)) from None
    if not opened:
        raise UsageError("this machine has no loopback address (127.0.0.1 or ::1), and the page is served on no other")
    return opened


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    """A listening socket; None where the machine does not have the address."""
    try:
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        if os.name == "posix":  # else a restart within a minute finds the port taken; on Windows it would share it
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((host, port))
        opened.listen(128)
        opened.setblocking(False)
    except OSError as error:
        with contextlib.suppress(OSError):
            opened.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise
    return opened


def _refused(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use, perhaps by another metasyn serve; give a free one with --port, such as --port {port + 1}"
    return f"port {port} cannot be used ({(error.strerror or str(error)).lower()}); accepted: --port with 1024 to 65535"


def known_hosts(port: int) -> frozenset[str]:
    """What the Host of a request may be: anything else is another site's name that was made to lead here."""
    names = ("localhost", "127.0.0.1", "[::1]")
    bare = frozenset(names) if port == _HTTP_PORT else frozenset()
    return bare | {f"{name}:{port}" for name in names}
