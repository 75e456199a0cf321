"""Move Kubernetes nodes from one container runtime to another without losing anything."""

__version__ = "0.1.0"
