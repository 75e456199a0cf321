"""Many nodes: in which order, how many at once, and when to stop."""
