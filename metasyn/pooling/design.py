"""Moderators to a design matrix: numbers as they are, words as treatment contrasts, or a formula."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
INTERCEPT = "intercept"


@dataclass(frozen=True, slots=True)
class Design:
    """A design matrix of full rank.

    Attributes
    ----------
    matrix : array, shape (k, p)
    terms : tuple of str
        Names of the columns: `intercept`, `year`, `allocation=random` (against the first level in order), `a:b`.
    """

    matrix: Array
    terms: tuple[str, ...]

    @property
    def has_intercept(self) -> bool:
        """Whether the first column is the intercept."""
        return bool(self.terms) and self.terms[0] == INTERCEPT


def design_matrix(moderators: Any, k: int, *, data: pd.DataFrame | None = None, intercept: bool = True) -> Design:
    """The design of k studies.

    Parameters
    ----------
    moderators : DataFrame, mapping, Series, array or str
        Columns of k values; a text is a formula over the columns of `data` (`year + allocation`, `a * b`).
        Columns of words or categories become treatment contrasts against the first level in order.
    data : DataFrame or None
        The formula's columns.
    intercept : bool
        Whether a column of ones comes first (a formula says so itself: `0 + allocation` has none).

    Raises
    ------
    ValueError
        If lengths differ, a value is missing, or a column follows from the others (it is named).
    """
    if isinstance(moderators, str):
        matrix, terms = _from_formula(moderators, data, k)
    else:
        matrix, terms = _from_frame(_frame(moderators), k, intercept)
    if not np.isfinite(matrix).all():
        bad = ", ".join(str(row) for row in np.flatnonzero(~np.isfinite(matrix).all(axis=1)))
        raise ValueError(f"moderators have missing or infinite values (rows {bad})")
    _check_rank(matrix, terms)
    return Design(matrix, terms)


def _frame(moderators: Any) -> pd.DataFrame:
    if isinstance(moderators, pd.DataFrame):
        return moderators
    if isinstance(moderators, pd.Series):
        return moderators.to_frame(moderators.name or "x1")
    if isinstance(moderators, Mapping):
        return pd.DataFrame({name: list(values) for name, values in moderators.items()})
    array = np.asarray(moderators)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"moderators are not a frame, a 1-d or a 2-d array (shape {array.shape})")
    return pd.DataFrame(array, columns=[f"x{number}" for number in range(1, array.shape[1] + 1)])


def _from_frame(frame: pd.DataFrame, k: int, intercept: bool) -> tuple[Array, tuple[str, ...]]:
    if len(frame) != k:
        raise ValueError(f"moderators have {len(frame)} rows for {k} studies")
    columns, terms = ([np.ones(k)], [INTERCEPT]) if intercept else ([], [])
    whole = not intercept  # without an intercept the first factor keeps all its levels
    for name, series in frame.items():
        if series.isna().any():
            bad = ", ".join(str(row) for row in np.flatnonzero(series.isna()))
            raise ValueError(f"moderator {name} has missing values (rows {bad})")
        if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
            columns.append(np.asarray(series, dtype=float))
            terms.append(str(name))
            continue
        categorical = isinstance(series.dtype, pd.CategoricalDtype)
        levels = list(series.cat.remove_unused_categories().cat.categories) if categorical else sorted(set(series))
        for level in levels if whole else levels[1:]:
            columns.append(np.asarray(series == level, dtype=float))
            terms.append(f"{name}={level}")
        whole = False
    if not columns:
        raise ValueError("there are no moderators and no intercept")
    return np.column_stack(columns), tuple(terms)


def _from_formula(formula: str, data: pd.DataFrame | None, k: int) -> tuple[Array, tuple[str, ...]]:
    from formulaic import model_matrix  # heavy, and only formulas need it
    from formulaic.errors import FormulaicError

    if data is None:
        raise ValueError(f"a formula needs data, a frame with its columns ({formula})")
    if len(data) != k:
        raise ValueError(f"data has {len(data)} rows for {k} studies")
    try:
        made = model_matrix(formula.partition("~")[2] or formula, data.reset_index(drop=True), na_action="raise")
    except (FormulaicError, ValueError, KeyError, SyntaxError) as error:
        raise ValueError(f"the formula does not work with this data ({formula}): {error}") from error
    terms = tuple(re.sub(r"\[T?\.?(.*?)\]", r"=\1", str(name)).replace("Intercept", INTERCEPT) for name in made.columns)
    return np.asarray(made, dtype=float), terms


def _check_rank(matrix: Array, terms: tuple[str, ...]) -> None:
    k, p = matrix.shape
    if k < p:
        raise ValueError(f"{p} coefficients cannot be estimated from {k} studies; accepted: at most {k} terms")
    scale = np.abs(matrix).max(axis=0)
    scaled = matrix / np.where(scale > 0, scale, 1.0)
    for column in range(p):
        if np.linalg.matrix_rank(scaled[:, : column + 1], tol=1e-10 * np.sqrt(k)) <= column:
            raise ValueError(
                f"moderator {terms[column]} follows from the others; accepted: terms that vary by themselves"
            )
