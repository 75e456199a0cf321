"""Fakes at the doors, and values to start from."""
