"""Estimators whose fit is trouble once they are refitted: what a fit in a process of its own must withstand.

Fitted on few rows they behave, so that they can be added to a shelf in the first place.
"""

import os
import signal
import time

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

ROWS_PEACEFUL = 500
TRUSTED = tuple(f"tests.trainer.troubled.{name}" for name in ("Hungry", "Endless", "Falling", "Raising"))


class _Troubled(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    def fit(self, X: pd.DataFrame, y: npt.NDArray[np.generic]) -> "_Troubled":  # noqa: N803  scikit-learn's name
        if len(X) > ROWS_PEACEFUL:
            self.make_trouble()
        fitted: _Troubled = super().fit(X, y)
        return fitted

    def make_trouble(self) -> None:
        """Once there are many rows."""


class Hungry(_Troubled):
    """Takes all the memory there is."""

    def make_trouble(self) -> None:
        taken = []
        while True:
            taken.append(np.ones(1 << 22))


class Endless(_Troubled):
    """Never comes back."""

    def make_trouble(self) -> None:
        while True:
            time.sleep(1)


class Falling(_Troubled):
    """Takes the process down with it."""

    def make_trouble(self) -> None:
        os.kill(os.getpid(), signal.SIGABRT)


class Raising(_Troubled):
    """Raises."""

    def make_trouble(self) -> None:
        raise ValueError("these rows are not to my taste")
