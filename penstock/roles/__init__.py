"""One module for each role of a penstock process: it builds the parts and hands back a body to run."""

ROLES = ("broker", "controller", "scorer", "shadow", "outcomes", "monitor", "sink", "trainer")
