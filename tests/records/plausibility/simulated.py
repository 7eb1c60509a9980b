"""Coherent papers: patients are simulated, analysed as papers do, and printed with realistic rounding.

Whatever a check says about such a paper is a false alarm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from scipy.optimize import brentq

Z = stats.norm.ppf(0.975)


def printed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def p_text(p: float, decimals: int) -> str:
    if p < 10.0**-decimals:
        return f"<{10.0**-decimals:.{decimals}f}"
    return printed(p, decimals)


def cox(time: np.ndarray, event: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    """Coefficients, covariance and the log partial likelihood (no ties in continuous time)."""
    order = np.argsort(-time)
    event, x = event[order].astype(bool), x[order]

    def loglik(beta: np.ndarray) -> float:
        eta = x @ beta
        return float((eta - np.log(np.cumsum(np.exp(eta))))[event].sum())

    beta = np.zeros(x.shape[1])
    for _ in range(30):
        w = np.exp(x @ beta)
        s0 = np.cumsum(w)
        s1 = np.cumsum(w[:, None] * x, axis=0) / s0[:, None]
        s2 = np.cumsum(w[:, None, None] * x[:, :, None] * x[:, None, :], axis=0) / s0[:, None, None]
        score = (x - s1)[event].sum(axis=0)
        information = (s2 - s1[:, :, None] * s1[:, None, :])[event].sum(axis=0)
        step = np.linalg.solve(information, score)
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return beta, np.linalg.inv(information), loglik


def log_rank_p(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> float:
    order = np.argsort(time)
    e, g = event[order], group[order]
    at_risk = np.arange(len(e), 0, -1)
    share = np.cumsum(g[::-1])[::-1] / at_risk
    observed, expected, variance = g[e == 1].sum(), share[e == 1].sum(), (share * (1 - share))[e == 1].sum()
    return float(2 * stats.norm.sf(abs(observed - expected) / np.sqrt(variance)))


class Curve:
    """Kaplan-Meier with log-log intervals."""

    def __init__(self, time: np.ndarray, event: np.ndarray) -> None:
        order = np.argsort(time)
        self.time, self.event = time[order], event[order]
        at_risk = np.arange(len(time), 0, -1)
        self.survival = np.cumprod(1 - self.event / at_risk)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.greenwood = np.cumsum(self.event / (at_risk * np.maximum(at_risk - self.event, 1e-12)))

    def at(self, t: float) -> tuple[float, float, float]:
        i = np.searchsorted(self.time, t, side="right") - 1
        if i < 0 or self.survival[i] >= 1:
            return 1.0, 1.0, 1.0
        s = self.survival[i]
        if s <= 0:
            return 0.0, 0.0, 0.0
        theta = Z * np.sqrt(self.greenwood[i]) / abs(np.log(s))
        return float(s), float(s ** np.exp(theta)), float(s ** np.exp(-theta))

    def median(self, level: float = 0.5) -> float | None:
        below = np.nonzero(self.survival <= level + 1e-12)[0]
        return float(self.time[below[0]]) if len(below) else None

    def median_ci(self) -> tuple[float | None, float | None]:
        inside = []
        for t, e in zip(self.time, self.event, strict=True):
            if e:
                _, low, high = self.at(t)
                inside.append((low <= 0.5 <= high, t))
        times = [t for ok, t in inside if ok]
        after = [t for ok, t in inside if times and t > times[-1]]
        return (times[0] if times else None), (after[0] if after else None)

    def number_at_risk(self, t: float) -> int:
        return int((self.time >= t).sum())


def hazard_ratio_row(
    rng: np.random.Generator, outcome: str, set_name: str, data: dict[str, np.ndarray], prefix: str, adjusted: bool
) -> dict[str, Any]:
    time, event, group = data[f"{prefix}_time"], data[f"{prefix}_event"], data["group"]
    x = np.column_stack([group, data["sex"], data["age"]] if adjusted else [group]).astype(float)
    beta, covariance, loglik = cox(time, event, x)
    se = float(np.sqrt(covariance[0, 0]))
    level = float(rng.choice([0.95, 0.95, 0.95, 0.95, 0.90]))
    z = stats.norm.ppf((1 + level) / 2)
    low, high = beta[0] - z * se, beta[0] + z * se
    method = None
    if not adjusted and rng.random() < 0.15:  # a profile-likelihood interval, not said to be one
        top = loglik(beta)
        target = top - z * z / 2
        low = brentq(lambda b: loglik(np.array([b])) - target, beta[0] - 6 * se, beta[0])
        high = brentq(lambda b: loglik(np.array([b])) - target, beta[0], beta[0] + 6 * se)
    decimals = int(rng.choice([2, 2, 3]))
    kind = "wald" if adjusted else str(rng.choice(["wald", "log-rank", "log-rank", "likelihood-ratio", "unsaid"]))
    p = float(2 * stats.norm.sf(abs(beta[0]) / se))
    if kind in ("log-rank", "unsaid"):
        p = log_rank_p(time, event, group) if kind == "log-rank" or rng.random() < 0.5 else p
    if kind == "likelihood-ratio":
        p = float(stats.chi2.sf(2 * (loglik(beta) - loglik(np.zeros(1))), 1))
    row: dict[str, Any] = {
        "outcome": outcome,
        "treatment": "a",
        "comparator": "b",
        "set": set_name,
        "measure": "HR",
        "cutoff": "final",
        "estimate": printed(float(np.exp(beta[0])), decimals),
        "ci": [printed(float(np.exp(low)), decimals), printed(float(np.exp(high)), decimals)],
        "p": p_text(p, int(rng.choice([2, 3, 3, 4]))),
        "model": {"kind": "multivariable", "covariates": ["sex", "age"]} if adjusted else {"kind": "univariable"},
        "source": "main: Table 2",
    }
    if level != 0.95:
        row["level"] = str(level)
    if kind != "unsaid":
        row["p_test"] = kind
    if kind == "wald" and not adjusted and rng.random() < 0.15 and beta[0] < 0:
        row |= {"p": p_text(p / 2, 4), "p_sides": "1"}
    return row | ({"ci_method": method} if method else {})


def survival_row(
    rng: np.random.Generator, outcome: str, arm: str, set_name: str, data: dict[str, np.ndarray], prefix: str, n: int
) -> dict[str, Any]:
    mine = data["group"] == (1 if arm == "a" else 0)
    time, event = data[f"{prefix}_time"][mine], data[f"{prefix}_event"][mine]
    curve = Curve(time, event)
    decimals = int(rng.choice([1, 1, 2]))
    median = curve.median()
    row: dict[str, Any] = {
        "outcome": outcome,
        "arm": arm,
        "set": set_name,
        "cutoff": "final",
        "source": "main: Figure 1",
        "median": "not-reached" if median is None else printed(median, decimals),
    }
    low, high = curve.median_ci()
    if rng.random() < 0.7 and low is not None:
        row["median_ci"] = [printed(low, decimals), "not-reached" if high is None else printed(high, decimals)]
    if rng.random() < 0.8:
        row["events"] = str(int(event.sum()))
    digits, rates = int(rng.choice([0, 1, 1])), []
    for t in (6, 12, 24, 36):
        if t < time.max() * 0.8 and rng.random() < 0.6:
            s, bottom, top = curve.at(t)
            rate: dict[str, Any] = {"at": str(t), "percent": printed(100 * s, digits)}
            if rng.random() < 0.6 and 0 < s < 1:
                rate["ci"] = [printed(100 * bottom, digits), printed(100 * top, digits)]
            rates.append(rate)
    if rates:
        row["rates"] = rates
    if rng.random() < 0.5:
        row["at_risk"] = [{"at": str(t), "n": str(curve.number_at_risk(t))} for t in range(0, int(time.max()), 6)]
    return row


def patients(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], float]:
    n1 = int(rng.integers(25, 300))
    n2 = int(n1 * rng.choice([1.0, 1.0, 0.5, 2.5])) + int(rng.integers(-4, 5))
    n = n1 + n2
    group = np.r_[np.ones(n1), np.zeros(n2)].astype(int)
    sex, age = rng.binomial(1, rng.uniform(0.2, 0.8), n), rng.normal(63, 9, n)
    shape, scale = rng.uniform(0.75, 1.6), rng.uniform(8, 40)
    effect = rng.normal(-0.25, 0.3)
    eta = effect * group + rng.normal(0, 0.3) * sex + rng.normal(0.01, 0.01) * (age - 63)
    death = scale * (-np.log(rng.random(n)) / np.exp(eta)) ** (1 / shape)
    progression = scale * rng.uniform(0.3, 0.7) * (-np.log(rng.random(n)) / np.exp(eta)) ** (1 / shape)
    accrual = rng.uniform(18, 60)
    follow_up = accrual * rng.random(n) + rng.uniform(4, 24)
    lost = rng.exponential(300, n)
    censored = np.minimum(follow_up, lost)
    data = {
        "group": group,
        "sex": sex,
        "age": age,
        "os_time": np.minimum(death, censored),
        "os_event": (death <= censored).astype(int),
    }
    pfs = np.minimum(death, progression)
    data |= {"pfs_time": np.minimum(pfs, censored), "pfs_event": (pfs <= censored).astype(int)}
    return data, float(follow_up.max())


def subset(data: dict[str, np.ndarray], keep: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[keep] for name, values in data.items()}


def count_rows(
    rng: np.random.Generator, arm: str, set_name: str, n: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    decimals = int(rng.choice([0, 1, 1, 2]))

    def cell(k: int) -> dict[str, str]:
        both = {"events": str(k), "percent": printed(100 * k / n, decimals)}
        if rng.random() < 0.4:
            both.pop("events")
        return both

    cr, pr, sd, pd, _ = rng.multinomial(n, rng.dirichlet([1, 10, 6, 5, 1]))
    counts = {"CR": cr, "PR": pr, "SD": sd, "PD": pd, "ORR": cr + pr, "DCR": cr + pr + sd}
    responses = []
    for category, k in counts.items():
        if rng.random() < 0.8:
            row = {"category": category, "arm": arm, "set": set_name, "source": "main: Table 3", **cell(int(k))}
            if category == "ORR" and rng.random() < 0.5 and 0 < k < n:
                interval = stats.binomtest(int(k), n).proportion_ci(method=str(rng.choice(["exact", "wilson"])))
                row["ci"] = [printed(100 * interval.low, decimals), printed(100 * interval.high, decimals)]
            responses.append(row)
    events = []
    worst = rng.choice(
        6, size=(n, 3), p=[0.7, 0.1, 0.08, 0.07, 0.04, 0.01]
    )  # grades of three kinds; the third is not printed
    for term, grade in (("rash", worst[:, 0]), ("pneumonitis", worst[:, 1]), ("any", worst.max(axis=1))):
        anything, severe = int((grade > 0).sum()), int((grade >= 3).sum())
        for grades, k in (("any", anything), (["3", "4", "5"], severe), (["1", "2"], anything - severe)):
            if rng.random() < 0.7:
                events.append(
                    {
                        "term": term,
                        "grades": grades,
                        "arm": arm,
                        "set": set_name,
                        "source": "main: Table 4",
                        **cell(int(k)),
                    }
                )
    return responses, events


def baseline_rows(rng: np.random.Generator, data: dict[str, np.ndarray], set_name: str) -> list[dict[str, Any]]:
    group = data["group"]
    n = {"a": int((group == 1).sum()), "b": int((group == 0).sum())}
    rows = []
    stage = rng.choice(3, size=len(group), p=rng.dirichlet([5, 5, 5]))
    for variable, values, levels in (("sex", data["sex"], 2), ("stage", stage, 3)):
        table = np.array([[int(((values == level) & (group == g)).sum()) for g in (1, 0)] for level in range(levels)])
        if (table.sum(axis=1) == 0).any():
            continue
        test = str(rng.choice(["chi-square", "fisher", "unsaid"])) if levels == 2 else "chi-square"
        if test == "fisher" or (test == "unsaid" and rng.random() < 0.5):
            p = stats.fisher_exact(table).pvalue
        else:
            p = stats.chi2_contingency(table, correction=bool(levels == 2 and rng.random() < 0.5)).pvalue
        decimals = int(rng.choice([0, 1, 1]))
        for level in range(levels):
            row: dict[str, Any] = {
                "variable": variable,
                "level": f"level {level}",
                "set": set_name,
                "source": "main: Table 1",
                "arms": {},
            }
            for arm, column in (("a", 0), ("b", 1)):
                row["arms"][arm] = {
                    "n": str(table[level, column]),
                    "percent": printed(100 * table[level, column] / n[arm], decimals),
                }
            row["arms"]["all"] = {
                "n": str(table[level].sum()),
                "percent": printed(100 * table[level].sum() / len(group), decimals),
            }
            if level == 0:
                row["p"] = p_text(p, int(rng.choice([2, 3])))
                if test != "unsaid":
                    row["p_test"] = test
            rows.append(row)
    age = {arm: data["age"][group == g] for arm, g in (("a", 1), ("b", 0))}
    decimals = int(rng.choice([0, 1, 2]))
    row = {
        "variable": "age",
        "set": set_name,
        "source": "main: Table 1",
        "arms": {
            arm: {"mean": printed(float(v.mean()), decimals), "sd": printed(float(v.std(ddof=1)), decimals)}
            for arm, v in age.items()
        },
    }
    row["arms"]["all"] = {
        "mean": printed(float(data["age"].mean()), decimals),
        "sd": printed(float(data["age"].std(ddof=1)), decimals),
    }
    if rng.random() < 0.7:
        kind = str(rng.choice(["t-test", "unsaid", "rank"]))
        p = (
            stats.mannwhitneyu(age["a"], age["b"]).pvalue
            if kind == "rank"
            else stats.ttest_ind(age["a"], age["b"], equal_var=bool(rng.random() < 0.5)).pvalue
        )
        row |= {"p": p_text(float(p), 3)} | ({"p_test": "t-test"} if kind == "t-test" else {})
    if rng.random() < 0.5:
        smd = (age["a"].mean() - age["b"].mean()) / np.sqrt((age["a"].var(ddof=1) + age["b"].var(ddof=1)) / 2)
        row["smd"] = printed(float(abs(smd)), int(rng.choice([2, 3])))
    return [*rows, row]


def paper(seed: int) -> dict[str, Any]:
    """The data of a record of one simulated paper."""
    rng = np.random.default_rng(seed)
    data, longest = patients(rng)
    sets: dict[str, Any] = {}
    contrasts, survival, responses, adverse_events, baseline, reported = [], [], [], [], [], []
    versions = [("full", "none", data)]
    if rng.random() < 0.4:
        size = int(min((data["group"] == 1).sum(), (data["group"] == 0).sum()) * 0.8)
        keep = np.r_[
            rng.choice(np.nonzero(data["group"] == 1)[0], size, replace=False),
            rng.choice(np.nonzero(data["group"] == 0)[0], size, replace=False),
        ]
        versions.append(("matched", "psm", subset(data, keep)))
    for name, method, version in versions:
        n = {"a": int((version["group"] == 1).sum()), "b": int((version["group"] == 0).sum())}
        sets[name] = {"method": method, "n": {**{arm: str(k) for arm, k in n.items()}, "all": str(sum(n.values()))}}
        for outcome, prefix in (("OS", "os"), ("PFS", "pfs")):
            arms = [version[f"{prefix}_event"][version["group"] == g].sum() for g in (0, 1)]
            if min(arms) < 4:
                continue
            contrasts.append(hazard_ratio_row(rng, outcome, name, version, prefix, False))
            if rng.random() < 0.6:
                contrasts.append(hazard_ratio_row(rng, outcome, name, version, prefix, True))
            survival += [survival_row(rng, outcome, arm, name, version, prefix, n[arm]) for arm in ("a", "b")]
        for arm in ("a", "b"):
            r, e = count_rows(rng, arm, name, n[arm])
            responses += r
            adverse_events += e
        baseline += baseline_rows(rng, version, name)
    if contrasts and rng.random() < 0.5:
        row = contrasts[0]
        hr = float(row["estimate"])
        reported.append(
            {
                "quantity": "relative risk reduction (percent)",
                "value": printed(100 * (1 - hr), 0),
                "outcome": row["outcome"],
                "inputs": {"HR": row["estimate"]},
                "source": "main: text",
            }
        )
    begin = int(rng.integers(2010, 2018))
    cutoff_months = begin * 12 + int(np.ceil(longest)) + 1
    return {
        "format": "1",
        "id": f"paper-{seed}",
        "reports": {"main": {"title": f"Paper {seed}", "year": str(cutoff_months // 12 + 1)}},
        "design": {"type": "retrospective-cohort", "enrolment": [f"{begin}-01", f"{begin + 1}-12"]},
        "population": {"disease": "X", "line": "1", "n": sets["full"]["n"]["all"]},
        "cutoffs": {
            "final": {
                "date": f"{cutoff_months // 12}-{cutoff_months % 12 + 1:02d}",
                "median_follow_up": printed(longest / 2, 1),
            }
        },
        "time_unit": "months",
        "arms": {"a": {"label": "A"}, "b": {"label": "B"}},
        "sets": sets,
        "contrasts": contrasts,
        "survival": survival,
        "responses": responses,
        "adverse_events": adverse_events,
        "baseline": baseline,
        "reported": reported,
        "extraction": {"by": "simulation", "date": "2026-11-20", "seen": "full-text"},
    }
