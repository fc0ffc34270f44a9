"""The main job on a year of real flights, end to end on the embedded stack, in about two minutes."""
