"""Which features a version's performance rests on: how much more it errs when one of them is shuffled.

After Breiman, Random Forests (2001). An estimator, typed rows and their true values come in; each
feature's share of all that shuffling costs goes out, or nothing where it can't be told.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.errors import EstimatorError
from registry.fitting import fit_rows
from registry.loaded import Estimator, LabelRule, Scores, score_frame
from schemas.signature import Signature

ROWS_MAX = 5_000
SPENT_S_MAX = 30.0
_SEED = 20_130_101
Losses: TypeAlias = Callable[[Scores], npt.NDArray[np.float64]]


def importances(
    estimator: Estimator, features: pa.RecordBatch, losses: Losses, *, signature: Signature, label_rule: LabelRule
) -> dict[str, float]:
    """Shares that sum to 1, by feature; empty where no feature matters, or where it would take too long.

    `losses` gives the loss of each row from the scores; there are `ROWS_MAX` rows at most.
    """
    random = np.random.default_rng(_SEED)
    started = time.perf_counter()

    def loss(batch: pa.RecordBatch) -> float:
        frame, _ = fit_rows(batch, signature)
        return float(losses(score_frame(estimator, frame, signature=signature, label_rule=label_rule)).mean())

    try:
        as_it_is = loss(features)
        costs = {}
        for index, name in enumerate(features.schema.names):
            if time.perf_counter() - started > SPENT_S_MAX:
                return {}
            shuffled = features.column(index).take(pa.array(random.permutation(features.num_rows)))
            columns = [shuffled if place == index else each for place, each in enumerate(features.columns)]
            costs[name] = max(loss(pa.RecordBatch.from_arrays(columns, schema=features.schema)) - as_it_is, 0.0)
    except EstimatorError:
        return {}
    total = sum(costs.values())
    return {name: cost / total for name, cost in costs.items()} if total > 0 else {}
