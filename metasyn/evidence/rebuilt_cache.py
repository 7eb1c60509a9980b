"""Rebuilt patients under .metasyn/cache/: JSON, keyed by what was printed, by the code and by versions; deleting it is always safe."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from metasyn._version import __version__
from metasyn.evidence.rebuilt import AGREEMENT_COLUMNS, Combined, Rebuilt, rebuild
from metasyn.evidence.reconstructions import ReconstructionInput
from metasyn.survival import kaplan_meier

BAND_COLUMNS = ("time", "survival", "ci_low", "ci_high")


def rebuild_cached(
    given: ReconstructionInput, folder: Path | None, *, draws: int, seed: int, horizon: float | None
) -> Rebuilt:
    """As `rebuild`, from the cache where it is there; then without the patients of the draws (`drawn` is None).

    Parameters
    ----------
    folder : Path or None
        Of the cache; None keeps none.
    """
    path = None if folder is None else _path(folder, _key(given, draws, seed, horizon))
    found = _read(path, given) if path is not None else None
    if found is None:
        found = rebuild(given, draws=draws, seed=seed, horizon=horizon)
        if path is not None:
            _write(path, found)
    return found


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.json"


@lru_cache(maxsize=1)
def _code() -> str:
    """Changes whenever the code that rebuilds patients does, or a library whose numbers it uses."""
    digest = hashlib.sha256(f"{__version__} {np.__version__} {scipy.__version__} {pd.__version__}".encode())
    package = Path(__file__).parents[1]
    sources = [*(package / "survival").glob("*.py"), package / "pooling" / "arrays.py"]
    for path in sorted([*sources, *(Path(__file__).with_name(name) for name in ("rebuilt.py", "rebuilt_cache.py"))]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of_rebuilt(made: Rebuilt, horizon: float | None) -> str:
    """What tells a reconstruction from any other: what it was made from, and by which code."""
    return _key(made.given, made.draws, made.seed, horizon)


def _key(given: ReconstructionInput, draws: int, seed: int, horizon: float | None) -> str:
    values = {field.name: _plain(getattr(given, field.name)) for field in fields(given)}
    text = json.dumps([_code(), values, draws, seed, horizon], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A value in JSON that tells any two apart."""
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, pd.DataFrame):
        return {str(name): column.tolist() for name, column in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _write(path: Path, made: Rebuilt) -> None:
    """Keep what was rebuilt, without the patients of the draws."""
    rows = made.agreement.astype(object).where(made.agreement.notna(), None)
    content = {
        "method": made.method,
        "draws": made.draws,
        "seed": made.seed,
        "patients": {
            arm: [part["time"].tolist(), part["event"].tolist()]
            for arm in made.given.arms
            for part in [made.patients[made.patients["arm"] == arm]]
        },
        "bands": [None if band is None else [band[name].tolist() for name in BAND_COLUMNS] for band in made.bands],
        "agreement": rows[list(AGREEMENT_COLUMNS)].to_numpy().tolist(),
        "conflicts": made.conflicts,
        "grade": made.grade,
        "log_hr": None if made.log_hr is None else asdict(made.log_hr),
        "rmst": None if made.rmst is None else asdict(made.rmst),
        "horizon": made.horizon,
        "notes": made.notes,
    }
    write_json(path, content)


def write_json(path: Path, content: Any) -> None:
    """Write an entry at once; a folder that cannot be written is passed over."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, default=float)
        Path(temporary).replace(path)


def read_json(path: Path) -> Any:
    """An entry, or None where there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read(path: Path, given: ReconstructionInput) -> Rebuilt | None:
    try:
        content = read_json(path)
        parts = [
            pd.DataFrame({"arm": arm, "draw": 0, "time": time, "event": event})
            for arm, (time, event) in content["patients"].items()
        ]
        return Rebuilt(
            given=given,
            method=content["method"],
            draws=content["draws"],
            seed=content["seed"],
            patients=pd.concat(parts, ignore_index=True),
            drawn=None,
            curves=tuple(kaplan_meier(part["time"], part["event"]) for part in parts),
            bands=tuple(None if band is None else pd.DataFrame(dict(zip(BAND_COLUMNS, band, strict=True))) for band in content["bands"]),
            agreement=_agreement(content["agreement"]),
            conflicts=tuple(content["conflicts"]),
            grade=content["grade"],
            log_hr=None if content["log_hr"] is None else Combined(**content["log_hr"]),
            rmst=None if content["rmst"] is None else Combined(**content["rmst"]),
            horizon=content["horizon"],
            notes=tuple(content["notes"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError):
        return None


def _agreement(rows: list[list[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS), dtype=object)
    for name in ("given", "low", "high", "achieved", "difference"):
        frame[name] = frame[name].astype(float)
    return frame
