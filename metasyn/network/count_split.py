"""Direct against indirect evidence in a network of counts, from separate designs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from metasyn.network.count_methods import METHODS
from metasyn.pooling.interval import critical_value, two_sided_p

if TYPE_CHECKING:
    from metasyn.network.counts import CountNetworkEstimate

ASSESSABLE = "assessable"
NO_DIRECT = "not assessable: no study compares the two directly"
NOT_FINITE = "not assessable: the direct odds ratio is 0, infinite or indefinite"
NO_INDIRECT = "not assessable: the studies without one of the two do not connect them with a finite estimate"


def split_counts(fit: CountNetworkEstimate) -> pd.DataFrame:
    """Every comparison split into direct evidence and that of the studies which lack one of the two treatments (SIDDE).

    Parameters
    ----------
    fit : CountNetworkEstimate
        Of n treatments.

    Returns
    -------
    DataFrame
        One row for each of the n(n - 1)/2 comparisons, on the analysis scale: treatment comparator comparison studies (that compare the two);
        estimate, _se, _ci_low, _ci_high, _p_value of direct, of indirect and of network; difference (direct minus indirect) difference_se
        ci_low ci_high p_value (of the difference); assessment (assessable, or not assessable and why). Where no study compares the two, the network is the indirect
        evidence. Where nothing direct or nothing indirect exists it is NaN, and so is the difference.

    References
    ----------
    Efthimiou et al. 2019, Statistics in Medicine 38:2992-3012: separating indirect from direct design evidence. Multi-arm studies with both treatments are direct
    evidence as a whole, so that the two sides share no patients.
    """
    names = np.array(fit.treatments, dtype=object)
    low, high = np.triu_indices(names.size, 1)
    studies = fit.direct_studies.to_numpy()[low, high]
    network, network_se = fit.league.to_numpy()[low, high], fit.league_se.to_numpy()[low, high]
    direct, direct_se = fit.direct.to_numpy()[low, high], fit.direct_se.to_numpy()[low, high]
    indirect, indirect_se = network.copy(), network_se.copy()
    separate = METHODS[fit.method].indirect(fit.data, fit.measure, fit.league.to_numpy()[:, 0])
    for row in np.flatnonzero(studies):
        indirect[row], indirect_se[row] = separate(int(low[row]), int(high[row]))
    reasons = np.select(
        [studies == 0, np.isnan(direct), np.isnan(indirect)], [NO_DIRECT, NOT_FINITE, NO_INDIRECT], default=ASSESSABLE
    )
    critical = float(critical_value(fit.level, None))
    columns = {
        "treatment": names[low],
        "comparator": names[high],
        "comparison": names[low] + ":" + names[high],
        "studies": studies,
    }
    for name, effect, se in (
        ("direct", direct, direct_se),
        ("indirect", indirect, indirect_se),
        ("network", network, network_se),
    ):
        columns |= {
            name: effect,
            f"{name}_se": se,
            f"{name}_ci_low": effect - critical * se,
            f"{name}_ci_high": effect + critical * se,
            f"{name}_p_value": two_sided_p(effect / se, None),
        }
    difference, se = direct - indirect, np.sqrt(direct_se**2 + indirect_se**2)
    columns |= {
        "difference": difference,
        "difference_se": se,
        "ci_low": difference - critical * se,
        "ci_high": difference + critical * se,
        "p_value": two_sided_p(difference / se, None),
        "assessment": reasons,
    }
    return pd.DataFrame(columns)
