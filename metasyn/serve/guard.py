"""What is refused before any page is looked for: other sites, other methods; and the headers that every answer carries."""

from __future__ import annotations

import sys
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD")
OWN_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Lets through what this machine's own pages ask, read only.

    Parameters
    ----------
    app : ASGI application
        What answers the rest.
    hosts : frozenset of str
        The names that Host may have, with the port.
    say : callable
        Told of a fault of the program, in one line; by default standard error is.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], say: Callable[[str], None] | None = None) -> None:
        self._app = app
        self._hosts = hosts
        self._say = say or (lambda text: print(text, file=sys.stderr))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in {**_HEADERS, "Content-Security-Policy": OWN_PAGE}.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        try:
            await (refusal or self._app)(scope, receive, sending)
        except Exception as error:
            self._say(
                f"metasyn: something went wrong inside metasyn ({type(error).__name__}: {error}); the page goes on"
            )
            if not started:
                text = (
                    f"Something went wrong inside metasyn ({type(error).__name__}). This is a fault of the program.\n"
                )
                await PlainTextResponse(text, 500)(scope, receive, sending)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        """Why a request is not answered, or None."""
        named = headers.getlist("host")
        if len(named) != 1 or named[0].lower() not in self._hosts:
            return PlainTextResponse(f"Refused: this page is reached as {', '.join(sorted(self._hosts))}.\n", 403)
        if method not in METHODS:
            return PlainTextResponse("Refused: nothing can be changed here.\n", 405, {"Allow": ", ".join(METHODS)})
        if any(origin != f"http://{named[0].lower()}" for origin in headers.getlist("origin")):
            return PlainTextResponse("Refused: another site asks.\n", 403)
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not _is_visit(headers):
            return PlainTextResponse("Refused: another site asks.\n", 403)
        return None


def _is_visit(headers: Headers) -> bool:
    """Whether a person follows a link to here, in a window of its own: the one thing that another site may bring about."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
