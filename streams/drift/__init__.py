"""Has what comes in, what goes out, or how right it is, changed? Profiles and cohorts in, signals out."""
