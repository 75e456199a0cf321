"""What each step does, and how it is undone: a module for each, by the names that `planning.steps` has too.

Each function gives a sentence about what it did.
"""
