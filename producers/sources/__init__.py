"""Where requests and labels come from: tabular files, and a year of flights."""
