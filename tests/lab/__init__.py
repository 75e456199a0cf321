"""Tests on real nodes; numbered, because the first ones want the base state and leave it."""
