"""Tests, by what they are about."""
