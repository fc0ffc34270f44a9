"""What the monitor's signals say to automation: kinds that are acted on, and the fields of their evidence that count.

`version`: the version that was judged; only of one that serves is anything made. `since`: the
first moment that is unlike those before, in ISO 8601 with its zone; without it nothing is assumed.
`asks_for`: of a performance signal, one of `ASKS_FOR`; without it a retrain. What else evidence
holds is for people.
"""

from typing import Final

DRIFT: Final = "drift"
PERFORMANCE: Final = "performance"
REFERENCE: Final = "reference"
"""Tells that a version's reference is being learned, or was: nothing follows from it."""
REQUEST_RATE: Final = "request_rate"
"""Tells of more or fewer requests than on the day before: nothing follows from it."""
ACTED_ON: Final = frozenset({DRIFT, PERFORMANCE})

RETRAIN: Final = "retrain"
ROLLBACK: Final = "rollback"
ASKS_FOR: Final = (RETRAIN, ROLLBACK)
