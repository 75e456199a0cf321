"""Mutants: small defects on purpose, and whether the tests notice them (`make mutants`, docs/adr/0024)."""
