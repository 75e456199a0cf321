"""The lab's one expected failure: something the host lacks or a component that did not answer."""


class LabError(Exception):
    """A message for a person: what failed, the likely cause, what to do. Never a traceback."""
