"""The addresses: pages, the stream of changes, and the files that were built."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from metasyn.errors import MetasynError
from metasyn.records import find_layout
from metasyn.serve.built_files import built_file
from metasyn.serve.events import Hub
from metasyn.serve.guard import Guard
from metasyn.serve.pages import asset, render
from metasyn.serve.source_files import Source, read_source


class Site:
    """The answers for one project.

    Parameters
    ----------
    root : Path
        The project.
    hub : Hub
        Where the newest snapshot is.
    """

    def __init__(self, root: Path, hub: Hub) -> None:
        self._root = root
        self._hub = hub

    async def first(self, _request: Request) -> Response:
        """The page beside the first report."""
        reports = self._hub.now.reports
        return self._page(reports[0].name if reports else None)

    async def report(self, request: Request) -> Response:
        """The page beside a report."""
        name = request.path_params["name"]
        if self._hub.now.report(name) is None and self._hub.now.phase != "starting":
            raise HTTPException(404)
        return self._page(name)

    def _page(self, name: str | None) -> Response:
        now = self._hub.now
        return HTMLResponse(render(self._root.name, now, report=now.report(name) if name is not None else None))

    async def source(self, request: Request) -> Response:
        """The page beside the text of a file."""
        found = await run_in_threadpool(self._read, request.path_params["file"])
        if found is None:
            raise HTTPException(404)
        return HTMLResponse(render(self._root.name, self._hub.now, source=found))

    def _read(self, file: str) -> Source | None:
        try:
            return read_source(find_layout(self._root), file, self._hub.now.findings)
        except (MetasynError, OSError):
            return None

    async def built(self, request: Request) -> Response:
        """A file of a built report."""
        name, file = request.path_params["name"], request.path_params["file"] or "index.html"
        found = await run_in_threadpool(built_file, self._root, name, file)
        if found is None:
            raise HTTPException(404)
        headers = {"Content-Security-Policy": found.policy, "Content-Type": found.media_type}
        return Response(found.content, headers=headers)

    async def asset(self, request: Request) -> Response:
        """A part of the page."""
        found = asset(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return Response(found[0], media_type=found[1])

    async def events(self, request: Request) -> Response:
        """The stream of changes; which report the page shows decides what is built first, for as long as it listens."""
        if self._hub.is_full:
            return PlainTextResponse("Too many pages listen; close some.\n", 503)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        stream = self._hub.stream(request.query_params.get("report", ""))
        return StreamingResponse(stream, media_type="text/event-stream")


async def _no_icon(_request: Request) -> Response:
    return Response(status_code=204)


async def _to_first(request: Request) -> Response:
    return RedirectResponse(f"/reports/{request.path_params['name']}/index.html")


async def _not_found(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("There is nothing here. The list of reports and records is at /.\n", 404)


def application(root: Path, hub: Hub, hosts: frozenset[str]) -> ASGIApp:
    """What answers requests to the page of a project.

    Parameters
    ----------
    root : Path
        The project.
    hub : Hub
        Where the newest snapshot is.
    hosts : frozenset of str
        The names that Host may have, with the port.
    """
    site = Site(root, hub)
    routes = [
        Route("/", site.first),
        Route("/view/{name}", site.report),
        Route("/source/{file:path}", site.source),
        Route("/reports/{name}", _to_first),
        Route("/reports/{name}/{file:path}", site.built),
        Route("/assets/{name}", site.asset),
        Route("/events", site.events),
        Route("/favicon.ico", _no_icon),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={404: _not_found}), hosts)
