"""Tests on real nodes; numbered, because the first ones leave every node on Docker."""
