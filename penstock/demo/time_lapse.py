"""Settings of a stack in front of which a day of flights passes in three seconds.

What is counted in flights and labels stays as people would have it; what is counted in seconds of
the clock is shortened, so that it fits.
"""

from pathlib import Path

CANARY_STEPS = "20%,50%"
SETTINGS = f"""
[outcomes]
# Flights land within twelve hours, or were diverted.
maturity_max_s = 43_200

[drift]
# Storms alone make days on end with fifteen points more errors than others; a wrong unit makes more.
loss_margin = 0.2

[acting]
# Losses of flights rise and fall with the weather: that alone is no reason to retrain.
retrain_on = ["drift", "baseline"]
retrain_cool_down_s = 60
retrains_per_day_max = 20
rollback_cool_down_s = 5
# A version is gone back to by itself only if it has served for about a week.
record_labels_min = 4_500

[trainer]
# Eleven days of flights: who has seen a week of storms only expects them on calm days too.
rows_min = 10_000
look_every_s = 1
canary_steps = "{CANARY_STEPS}"

[rollout]
margin = 0.05
step_duration_s = 5
step_labels_min = 200
cool_down_s = 5

[policy]
automation_activates = "validated"
"""


def written(data_dir: Path) -> Path:
    """The settings in a file of the demo's own directory."""
    path = data_dir / "demo.toml"
    path.write_text(SETTINGS.lstrip(), encoding="utf-8")
    return path
