"""What commands have done: one module for each use case. They put the doors, the engine and rollouts together."""
