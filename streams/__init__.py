"""Topic to topic: scoring and rollout, each a thin shell around pure decisions."""
