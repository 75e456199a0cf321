"""From facts and a target to a plan: pure functions, nothing here reads or changes the world."""
