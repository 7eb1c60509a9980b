"""Hat matrices, adjusted weights and measures of indirectness against netmeta, by hand, and by what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_reference import network
from numpy.testing import assert_allclose

from metasyn.network import fit_network
from metasyn.network.evidence_flow import Circuit, evidence_measures
from metasyn.network.hat_matrix import hat_matrix

FOLDER = Path(__file__).parent.parent / "reference" / "network" / "contribution"
COLUMNS = ["study", "treatment", "comparator", "effect", "se"]
# closed form; the references carry 12 digits of numbers of the order of 1
TIGHT = {"rtol": 1e-8, "atol": 1e-10}


def reference(*names):
    """(network, common or random, expected, reference treatment) of all cases with one of the names."""
    return list(_reference(*names))


def _reference(*names):
    for file in sorted(FOLDER.glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        for case in content["cases"]:
            if case["name"] in names:
                for model in sorted({"common", "random"} & set(case["expected"])):
                    if isinstance(case["expected"][model], dict):
                        first = content.get("reference_group")
                        yield pytest.param(
                            file.stem,
                            model,
                            case["expected"][model],
                            first,
                            id=f"{file.stem}: {case['name']} {model}",
                        )


def measured():
    return [
        pytest.param(file.stem, case["expected"], id=f"{file.stem}: {case['name']}")
        for file in sorted(FOLDER.glob("*.json"))
        for case in json.loads(file.read_text(encoding="utf-8"))["cases"]
        if case["name"].startswith("netmeasures")
    ]


def fitted(name, model, **options):
    return fit_network(network(name), tau2="DL" if model == "random" else "EE", **options)


def oriented(frame, label):
    """Row of a comparison in the direction of a label."""
    if label in frame.index:
        return frame.loc[label].to_numpy()
    return -frame.loc[":".join(reversed(label.split(":")))].to_numpy()


def random_network(seed, *, n=6, studies=14, arms=(2, 2, 3, 4)):
    """Studies of independent arms, all treatments connected."""
    rng = np.random.default_rng(seed)
    rows = []
    for study in range(studies):
        a = int(rng.choice(arms))
        first = study % n
        members = [first, (first + 1) % n] if study < n else []
        members += [x for x in rng.permutation(n).tolist() if x not in members][: max(0, a - len(members))]
        mean, variance = rng.normal(size=len(members)), rng.uniform(0.02, 0.4, len(members))
        rows += [
            (f"S{study}", f"T{members[i]}", f"T{members[j]}", mean[i] - mean[j], np.sqrt(variance[i] + variance[j]))
            for i in range(len(members))
            for j in range(i)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(("name", "model", "expected", "first"), reference("hatmatrix_davies"))
def test_coefficients_of_direct_comparisons_agree_with_netmeta(name, model, expected, first):
    frame = hat_matrix(fitted(name, model))
    assert list(frame.columns) == expected["cols"]
    assert_allclose(frame.loc[expected["rows"]], expected["values"], **TIGHT)


@pytest.mark.parametrize(("name", "model", "expected", "first"), reference("hatmatrix_krahn"))
def test_coefficients_of_designs_agree_with_netmeta(name, model, expected, first):
    frame = hat_matrix(fitted(name, model, reference=first), by="design")
    assert len(frame) == len(expected["rows"])
    got = np.array([oriented(frame, label) for label in expected["rows"]])
    values = np.array(expected["values"])
    # netmeta puts the reference first, in the name of a design and in its contrasts
    designs = [":".join(sorted(label.split(":"), key=str.casefold)) for label in expected["cols"]]
    for design in dict.fromkeys(designs):
        columns = [column for column in frame.columns if column[0] == design]
        place = [frame.columns.get_loc(column) for column in columns]
        starts_at_reference = [1 if first not in c.split(":") or c.startswith(f"{first}:") else -1 for _, c in columns]
        theirs = [number for number, label in enumerate(designs) if label == design]
        assert_allclose(got[:, place] * starts_at_reference, values[:, theirs], **TIGHT)
    assert frame.shape[1] == len(designs)


@pytest.mark.parametrize(("name", "model", "expected", "first"), reference("hatmatrix_ruecker"))
def test_coefficients_of_study_contrasts_agree_with_netmeta(name, model, expected, first):
    fit = fitted(name, model)
    frame = hat_matrix(fit, by="contrast")
    place = {name: number for number, name in enumerate(fit.treatments)}
    # rows and columns are the contrasts in the order of the data, named by study alone
    columns = [
        (str(row.study), ":".join(sorted((row.treatment, row.comparator), key=place.__getitem__)))
        for row in network(name).itertuples()
    ]
    assert [study for study, _ in columns] == expected["rows"] == expected["cols"]
    assert_allclose(frame.loc[[label for _, label in columns], columns], expected["values"], **TIGHT)


@pytest.mark.parametrize(("name", "expected"), measured())
def test_measures_of_indirectness_agree_with_netmeta(name, expected):
    frame = evidence_measures(fitted(name, "random" if expected["random"] else "common"))
    assert list(frame.index) == expected["comparison"]
    for column, theirs in (
        ("direct_proportion", "proportion"),
        ("mean_path_length", "meanpath"),
        ("minimal_parallelism", "minpar"),
        ("minimal_parallelism_studies", "minpar_study"),
    ):
        assert_allclose(frame[column], expected[theirs], **TIGHT)


def test_inflated_standard_errors_of_a_three_arm_study_agree_with_netmeta():
    # netmeta 3.3-1 on Senn 2013: seTE.adj.common of acar versus metf in Willms1999, whose standard error is 0.3579
    fit = fitted("senn2013", "common")
    of = np.flatnonzero(fit.data.study == fit.data.studies.index("Willms1999"))
    row = of[[fit.treatments[high] == "metf" for high in fit.data.high[of]]][0]
    assert_allclose(fit.data.variance[row] ** 0.5, 0.3579, rtol=1e-12)
    assert_allclose(Circuit.of(fit.data, 0.0).weight[row] ** -0.5, 0.388377883390717, rtol=1e-12)
    random = fitted("senn2013", "random")  # seTE.adj.random
    assert_allclose(Circuit.of(random.data, random.tau2).weight[row] ** -0.5, 0.557354774895044, rtol=1e-9)


def test_adjusted_weights_by_hand():
    # independent arms of variances 1, 1/2, 1/3 and weights 1, 2, 3: weights of contrasts 2/6, 3/6, 6/6
    rows = [("x", "B", "A", 0.0, 1.5**0.5), ("x", "C", "A", 0.0, (4 / 3) ** 0.5), ("x", "C", "B", 0.0, (5 / 6) ** 0.5)]
    fit = fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE")
    assert_allclose(Circuit.of(fit.data, 0.0).weight, [1 / 3, 1 / 2, 1], rtol=1e-12)


def triangle(**options):
    rows = [("1", "B", "A", 0.1, 1.0), ("2", "C", "A", 0.2, 1.0), ("3", "C", "B", 0.3, 1.0)]
    return fit_network(pd.DataFrame(rows, columns=COLUMNS), **{"tau2": "EE", **options})


def test_a_triangle_of_equal_studies_by_hand():
    # A:B is 2/3 direct and 1/3 by way of C, A:C - B:C
    frame = hat_matrix(triangle())
    assert_allclose(frame.loc["A:B"], [2 / 3, 1 / 3, -1 / 3], atol=1e-14)
    measures = evidence_measures(triangle())
    # 2/3 over one edge and 1/3 over two; largest current 2/3
    assert_allclose(measures.loc["A:B"], [2 / 3, 4 / 3, 3 / 2, 3 / 2], rtol=1e-12)


def test_parallelism_of_studies_exceeds_that_of_designs_where_a_design_has_several():
    rows = [("1", "B", "A", 0.1, 1.0), ("2", "B", "A", 0.2, 1.0), ("3", "B", "A", 0.2, 0.5)]
    measures = evidence_measures(fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE"))
    # weights 1, 1, 4: the largest study has 4/6
    assert_allclose(measures.loc["A:B"], [1, 1, 1, 1.5], rtol=1e-12)


def test_a_three_arm_study_alone_gives_all_evidence_directly():
    rows = [("x", "B", "A", 0.0, 1.5**0.5), ("x", "C", "A", 0.0, (4 / 3) ** 0.5), ("x", "C", "B", 0.0, (5 / 6) ** 0.5)]
    measures = evidence_measures(fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE"))
    assert_allclose(measures, 1.0, rtol=1e-12)


def test_a_star_is_direct_at_its_rays_and_two_steps_between_them():
    measures = evidence_measures(fitted("sim_star_a", "common"))
    direct = measures["direct_proportion"] > 0
    assert_allclose(measures.loc[direct, ["direct_proportion", "mean_path_length", "minimal_parallelism"]], 1.0)
    assert_allclose(measures.loc[~direct, ["mean_path_length", "minimal_parallelism"]], [[2.0, 1.0]] * 15)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["EE", "REML", 0.3]))
def test_coefficients_times_the_observed_are_the_network_estimates(seed, tau2):
    frame = random_network(seed)
    fit = fit_network(frame, tau2=tau2)
    low, high = np.triu_indices(len(fit.treatments), 1)
    estimates = fit.league.to_numpy()[low, high]
    by_contrast = hat_matrix(fit, by="contrast").to_numpy()
    assert_allclose(by_contrast @ -fit.data.effect, estimates, atol=1e-10)  # data are high versus low
    # pooled over the studies of each comparison with adjusted weights
    circuit = Circuit.of(fit.data, 0.0 if np.isnan(fit.tau2) else fit.tau2)
    _, place = np.unique(fit.data.low * 100 + fit.data.high, return_inverse=True)
    pooled = np.bincount(place, circuit.weight * -fit.data.effect) / np.bincount(place, circuit.weight)
    assert_allclose(hat_matrix(fit).to_numpy() @ pooled, estimates, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_row_is_a_flow_of_one_from_the_first_treatment_to_the_second(seed):
    fit = fit_network(random_network(seed), tau2="REML")
    low, high = np.triu_indices(len(fit.treatments), 1)
    for by in ("comparison", "design", "contrast"):
        frame = hat_matrix(fit, by=by)
        labels = [column if by == "comparison" else column[1] for column in frame.columns]
        ends = np.array([[fit.treatments.index(name) for name in label.split(":")] for label in labels])
        incidence = np.zeros((len(labels), len(fit.treatments)))
        incidence[np.arange(len(labels)), ends[:, 0]] = 1
        incidence[np.arange(len(labels)), ends[:, 1]] = -1
        unit = np.eye(len(fit.treatments))
        assert_allclose(frame.to_numpy() @ incidence, unit[low] - unit[high], atol=1e-10)


def test_the_matrix_of_study_contrasts_is_idempotent_with_the_trace_of_the_model():
    fit = fit_network(random_network(3), tau2=0.1)
    frame = hat_matrix(fit, by="contrast")
    square = frame.loc[[label for _, label in frame.columns]].to_numpy()
    assert_allclose(square @ square, square, atol=1e-11)
    assert_allclose(np.trace(square), len(fit.treatments) - 1, rtol=1e-11)


def test_measures_are_free_of_the_order_of_rows_of_directions_and_of_names():
    frame = random_network(5)
    measures = evidence_measures(fit_network(frame, tau2="DL"))
    turned = frame.sample(frac=1, random_state=2).assign(effect=lambda d: -d["effect"])
    turned = turned.rename(columns={"treatment": "comparator", "comparator": "treatment"})
    assert_allclose(evidence_measures(fit_network(turned, tau2="DL")), measures, rtol=1e-9)
    renamed = frame.replace({"treatment": {f"T{i}": f"T{5 - i}" for i in range(6)}})
    renamed = renamed.replace({"comparator": {f"T{i}": f"T{5 - i}" for i in range(6)}})
    names = [":".join(f"T{5 - int(end[1])}" for end in reversed(label.split(":"))) for label in measures.index]
    assert_allclose(evidence_measures(fit_network(renamed, tau2="DL")).loc[names], measures, rtol=1e-9)


def test_intervals_by_hartung_and_knapp_leave_measures_as_they_are():
    frame = random_network(8)
    plain, hk = fit_network(frame, tau2="DL"), fit_network(frame, tau2="DL", ci="HK")
    pd.testing.assert_frame_equal(evidence_measures(plain), evidence_measures(hk))


@pytest.mark.parametrize("seed", range(3))
def test_flows_hold_where_precisions_differ_by_twelve_orders(seed):
    rng = np.random.default_rng(seed)
    ends = [(s, 11) for s in range(11)] + [tuple(rng.choice(12, 2, replace=False)) for _ in range(20)]
    rows = [(f"s{k}", f"T{a:02d}", f"T{b:02d}", 0.0, 10 ** rng.uniform(-5, 1)) for k, (a, b) in enumerate(ends)]
    fit = fit_network(pd.DataFrame(rows, columns=COLUMNS), tau2="EE")
    frame = hat_matrix(fit)
    ends = np.array([[fit.treatments.index(name) for name in label.split(":")] for label in frame.columns])
    for number, label in enumerate(frame.index):
        net = np.bincount(ends[:, 0], frame.iloc[number], 12) - np.bincount(ends[:, 1], frame.iloc[number], 12)
        source, sink = (fit.treatments.index(name) for name in label.split(":"))
        net[[source, sink]] -= [1, -1]
        assert np.abs(net).max() < 1e-9


def test_a_network_of_two_treatments_is_one_direct_comparison():
    fit = fitted("hfprevention", "random")
    assert_allclose(hat_matrix(fit), [[1.0]])
    assert_allclose(hat_matrix(fit, by="contrast").sum(axis=1), 1.0)
    assert_allclose(evidence_measures(fit).iloc[0, :3], 1.0)


def test_the_basic_contrasts_of_a_design_start_at_the_reference():
    frame = random_network(1, arms=(3,))
    fit = fit_network(frame, tau2="EE", reference="T3")
    for design, contrast in hat_matrix(fit, by="design").columns:
        members = design.split(":")
        assert ("T3" if "T3" in members else members[0]) in contrast.split(":")


def test_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match=r"by is not a known code .krahn.; accepted: comparison, design, contrast"):
        hat_matrix(triangle(), by="krahn")
