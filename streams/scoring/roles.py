"""In which role a version scores, as predictions, profiles and signals say it."""

ROLE_LIVE = "live"
"""Its answers are what consumers get."""
ROLE_SHADOW = "shadow"
"""Its answers are compared, and go nowhere else."""
ARM_SHADOW = "shadow"
ARM_PINNED = "pinned"
"""A rule has given the entity to the version, whatever its bucket; such answers are no evidence."""
