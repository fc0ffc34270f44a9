"""What the rows of one version are judged against: its columns, how they wobble, what they looked like.

Made from the reference in the version's bundle. Without blocks in time order there is no
calibration, and the detector learns one from the first live blocks.
"""

from dataclasses import dataclass

import numpy as np

from registry.binning import QUANTILES
from registry.reference_profile import ColumnProfile, ReferenceProfile
from streams.drift.blocks import Block, Layout
from streams.drift.calibration import Calibration, calibrate
from streams.drift.causes import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReference:
    """One version's; `calibration` None where it has to be learned."""

    layout: Layout
    columns: tuple[ColumnProfile, ...]
    block_rows: int
    calibration: Calibration | None
    note: str

    def picture_of(self, column: int) -> Picture:
        """What the column was in the reference."""
        profile = self.columns[column]
        quantiles = profile.quantiles or (np.nan,) * len(QUANTILES)
        return Picture(
            counts=np.array(profile.counts, dtype=np.float64),
            quantiles=np.array(quantiles, dtype=np.float64),
            strangers={},
        )

    def picture(self, block: Block, column: int) -> Picture:
        """What the column was in these rows."""
        return Picture(
            counts=block.counts[column, : self.layout.widths[column]],
            quantiles=block.quantiles[column],
            strangers=block.strangers[column],
        )


def drift_reference(profile: ReferenceProfile) -> DriftReference:
    """The reference of a bundle, ready to judge by."""
    layout = Layout(
        names=tuple(column.name for column in profile.columns),
        widths=tuple(column.bins.width for column in profile.columns),
    )
    calibration = None
    if profile.in_time_order:
        blocks = np.zeros((profile.blocks, *layout.shape))
        for index, column in enumerate(profile.columns):
            blocks[:, index, : layout.widths[index]] = column.blocks
        calibration = calibrate(blocks)
    return DriftReference(
        layout=layout,
        columns=profile.columns,
        block_rows=profile.judged_rows,
        calibration=calibration,
        note=profile.summary,
    )
