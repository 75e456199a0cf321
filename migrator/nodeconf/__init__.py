"""From one runtime's configuration into neutral settings, and from those into another's files."""
