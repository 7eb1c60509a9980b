"""The command `serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from metasyn.cli.app import app, project_layout
from metasyn.cli.options import HERE, ProjectOption
from metasyn.errors import UsageError
from metasyn.serve import DEFAULT_PORT

NEEDED = frozenset({"starlette", "uvicorn", "watchfiles", "anyio", "h11"})


@app.command()
def serve(
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="On this machine alone; 0 lets the system choose a free one."),
    ] = DEFAULT_PORT,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    project: ProjectOption = HERE,
) -> None:
    """Show reports and records on a local page that follows every save, with what check says beside it."""
    layout = project_layout(project)
    try:
        from metasyn.serve.server import serve as serve_project
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in NEEDED:
            raise
        raise UsageError(
            f"serve needs {error.name}, which is not installed; install the extra: pip install 'metasyn-evidence[serve]'"
        ) from None
    serve_project(layout, port=port, open_browser=open_browser)
