"""Patients of many studies in one frame: checked, and split into studies and draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metasyn.pooling.arrays import Array, rows, vector
from metasyn.survival.kaplan_meier import Flags


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patients:
    """One draw of the patients of one study, of one arm or two."""

    time: Array  # shape (n,)
    event: Flags
    treated: Flags  # all True where arms play no part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyPatients:
    """The patients of one study: one set, or several draws of it."""

    name: str
    draws: tuple[Patients, ...]


def check_ipd(ipd: Any, columns: tuple[str, ...]) -> pd.DataFrame:
    """The frame with fresh row numbers, a column `draw` (0 where none is given), `study` as text.

    Raises
    ------
    ValueError
        If it is not a frame, a column or all patients are missing, a value is missing, a time infinite or negative, an event
        not 0 or 1, or only some rows of a study have a draw.
    """
    if not isinstance(ipd, pd.DataFrame):
        raise ValueError(f"ipd is not a DataFrame ({type(ipd).__name__}); accepted: columns {', '.join(columns)}")
    missing = [name for name in columns if name not in ipd]
    if missing:
        raise ValueError(
            f"ipd lacks columns {', '.join(missing)}; accepted: {', '.join(columns)}, and draw if there are"
        )
    if len(ipd) == 0:
        raise ValueError("ipd has no patients")
    frame = ipd[[*columns, *(["draw"] if "draw" in ipd else [])]].reset_index(drop=True)
    for name in ("study", "arm"):
        if name in frame and (gaps := frame[name].isna().to_numpy()).any():
            raise ValueError(f"{name} is missing (rows {rows(gaps)})")
    time, event = vector("time", frame["time"]), vector("event", frame["event"])
    if (time < 0).any():
        raise ValueError(f"time is negative (rows {rows(time < 0)})")
    if (odd := (event != 0) & (event != 1)).any():
        raise ValueError(f"event is neither 0 (censored) nor 1 (event) (rows {rows(odd)})")
    study = frame["study"].astype(str)
    draw = frame["draw"] if "draw" in frame else pd.Series(0, index=frame.index)
    none = draw.isna()
    mixed = none.groupby(study).transform("nunique").to_numpy() > 1
    if mixed.any():
        raise ValueError(f"draw is missing for some patients of a study ({', '.join(study[mixed].unique())})")
    draw = draw.where(~none, 0) if none.any() else draw
    return frame.assign(study=study, time=time, event=event == 1, draw=draw)


def split(frame: pd.DataFrame, treated: Flags) -> tuple[StudyPatients, ...]:
    """Studies in the order of their first row, their draws in sorted order, from a frame of `check_ipd`."""
    code, names = pd.factorize(frame["study"])
    draw = pd.factorize(frame["draw"], sort=True)[0]
    order = np.lexsort((draw, code))
    code, draw = code[order], draw[order]
    first = np.flatnonzero(np.r_[True, (np.diff(code) != 0) | (np.diff(draw) != 0)])
    time, event = frame["time"].to_numpy()[order], frame["event"].to_numpy()[order]
    parts = [np.split(values, first[1:]) for values in (time, event, treated[order])]
    sets = [Patients(time=t, event=e, treated=x) for t, e, x in zip(*parts, strict=True)]
    found: list[list[Patients]] = [[] for _ in names]
    for start, one in zip(first, sets, strict=True):
        found[code[start]].append(one)
    return tuple(StudyPatients(name=str(name), draws=tuple(draws)) for name, draws in zip(names, found, strict=True))


def two_arm_studies(ipd: Any, treatment: Any) -> tuple[tuple[StudyPatients, ...], tuple[str, str]]:
    """The studies of a frame with columns study, arm, time, event and perhaps draw, and the names of the arms.

    Arms are 0 and 1 (1 is the treatment), or two labels of which `treatment` is one. Patients of `from_summary` (known by
    their column `label`) have the treatment as 0, and need `treatment`.

    Raises
    ------
    ValueError
        As `check_ipd`; if there are not two arms in all, it is not said which is the treatment, or a study has an arm in
        some of its draws only.
    """
    frame = check_ipd(ipd, ("study", "arm", "time", "event"))
    labels = sorted(frame["arm"].unique().tolist(), key=lambda label: (str(type(label)), label))
    shown = ", ".join(map(str, labels))
    if treatment is None:
        if "label" in ipd:  # patients of `from_summary`, whose arms are numbered as given, treatment first
            raise ValueError(
                "treatment is missing: ipd has arms as `from_summary` numbers them; accepted there: treatment=0"
            )
        if not set(labels) <= {0, 1}:
            raise ValueError(f"treatment is missing: which of {shown} is it?")
        treatment, arms = 1, ("treatment", "comparator")
    else:
        if treatment not in labels:
            raise ValueError(f"treatment is not a label of arm ({treatment}); accepted: {shown}")
        others = [label for label in labels if label != treatment]
        arms = (str(treatment), str(others[0]) if others else "comparator")
    if len(labels) > 2:
        raise ValueError(f"arm has {len(labels)} labels ({shown}); accepted: two, the same in all studies")
    studies = split(frame, (frame["arm"] == treatment).to_numpy())
    for study in studies:
        if len({(bool(one.treated.any()), bool(one.treated.all())) for one in study.draws}) > 1:
            raise ValueError(
                f"study {study.name} has both arms in some of its draws only; accepted: both in all, or neither"
            )
    return studies, arms


def why_not(study: StudyPatients, arms: tuple[str, str]) -> str | None:
    """Why a study has no comparison of its arms; None where it has one."""
    first = study.draws[0].treated
    if first.all() or not first.any():
        return f"one arm only ({arms[0] if first.all() else arms[1]})"
    for name, of_treatment in zip(arms, (True, False), strict=True):
        without = [k for k, one in enumerate(study.draws) if not one.event[one.treated == of_treatment].any()]
        if without:
            where = "" if len(study.draws) == 1 else f" in {len(without)} of {len(study.draws)} draws"
            return f"no events under {name}{where}"
    return None


def left_out_table(reasons: dict[str, str]) -> pd.DataFrame:
    """Columns study, reason."""
    return pd.DataFrame({"study": list(reasons), "reason": list(reasons.values())}, dtype=object)
