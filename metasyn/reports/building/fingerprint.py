"""A digest of a value that any two different values do not share: what results and figures are kept under."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import networkx
import numpy as np
import pandas as pd
from pydantic import BaseModel


def fingerprint(*values: Any) -> str:
    """SHA-256 over the content of values: the same for equal content, in any process and on any day.

    Parameters
    ----------
    *values
        None, texts, bytes, numbers, sequences, mappings, sets, arrays, frames, graphs, dataclasses, models, and classes or functions by name.

    Raises
    ------
    TypeError
        For a value whose content cannot be told.
    """
    digest = hashlib.sha256()
    for value in values:
        _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Type first, then length, then content: no two values run into each other."""
    if value is None or isinstance(value, (bool, int, str, np.bool_, np.integer)) or value is pd.NA:
        _put(digest, type(value).__name__, str(value).encode())
    elif isinstance(value, (float, np.floating)):
        _put(digest, "float", struct.pack("<d", value))
    elif isinstance(value, bytes):
        _put(digest, "bytes", value)
    elif isinstance(value, Enum):
        _put(digest, "enum", f"{type(value).__qualname__}.{value.name}".encode())
    elif isinstance(value, PurePath):
        _put(digest, "path", value.as_posix().encode())
    elif isinstance(value, (list, tuple)):
        _put(digest, "sequence", str(len(value)).encode())
        for inner in value:
            _add(digest, inner)
    elif isinstance(value, Mapping):
        _put(digest, "mapping", str(len(value)).encode())
        for key, inner in value.items():  # in their order, which tables and legends follow
            _add(digest, key)
            _add(digest, inner)
    elif isinstance(value, (set, frozenset)):
        _put(digest, "set", "".join(sorted(fingerprint(inner) for inner in value)).encode())
    else:
        _add_object(digest, value)


def _add_object(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            _add(digest, [value.shape, *value.ravel().tolist()])
        else:
            _put(digest, f"array {value.dtype.str} {value.shape}", np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (pd.Index, pd.Series)):
        _add(digest, ["column", str(value.name), value.tolist(), *([_index(value.index)] if isinstance(value, pd.Series) else [])])  # fmt: skip
    elif isinstance(value, pd.DataFrame):
        _add(digest, ["frame", list(value.columns), _index(value.index)])
        for position in range(value.shape[1]):
            _add(digest, value.iloc[:, position].tolist())
    elif isinstance(value, networkx.Graph):
        _add(digest, ["graph", value.graph, list(value.nodes(data=True)), list(value.edges(data=True))])
    elif is_dataclass(value) and not isinstance(value, type):
        _put(digest, "object", f"{type(value).__module__}.{type(value).__qualname__}".encode())
        for field in fields(value):
            _add(digest, getattr(value, field.name))
    elif isinstance(value, BaseModel):
        _put(digest, "model", f"{type(value).__module__}.{type(value).__qualname__}".encode())
        _add(digest, dict(value))
    elif callable(value) and hasattr(value, "__qualname__") and "<" not in value.__qualname__:
        _put(digest, "name", f"{value.__module__}.{value.__qualname__}".encode())
    else:
        raise TypeError(f"the content of {type(value).__module__}.{type(value).__qualname__} cannot be told")


def _index(index: pd.Index) -> Any:
    return len(index) if isinstance(index, pd.RangeIndex) else index.tolist()


def _put(digest: Any, kind: str, content: bytes) -> None:
    digest.update(f"{kind}:{len(content)}:".encode())
    digest.update(content)
