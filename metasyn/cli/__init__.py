"""The command line: errors become messages and an exit code in this one place."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; exit 0 done, 1 problems found, 2 wrong usage."""
    from metasyn.cli import (  # noqa: F401 (each adds its commands)
        build_command,
        history_commands,
        serve_commands,
        transfer_commands,
    )
    from metasyn.cli.app import app
    from metasyn.errors import EvidenceError, MetasynError, UsageError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")  # μ, τ² and names print everywhere
    try:
        app()
    except EvidenceError as error:
        from metasyn.cli.output import print_problems

        print_problems(error.problems)
        sys.exit(1)
    except UsageError as error:
        print(f"metasyn: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"metasyn: {(error.strerror or str(error)).lower()}{where}", file=sys.stderr)
        sys.exit(1)
    except MetasynError as error:
        print(f"metasyn: {error}", file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        print(f"metasyn: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if os.environ.get("METASYN_TRACEBACK"):
            raise
        print(
            f"metasyn: something went wrong inside metasyn ({type(error).__name__}: {error}). This is a fault of the program; "
            "set METASYN_TRACEBACK=1 to see where, and please report it.",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        print("metasyn: stopped", file=sys.stderr)
        sys.exit(130)


__all__ = ["main"]
