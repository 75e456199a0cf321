"""What parsers raise for text that is not what it claims to be, beside their own errors."""

from __future__ import annotations

import yaml

NOT_TOML = (ValueError, RecursionError)
"""Of tomllib: also for numbers of thousands of digits, and for tables within tables without end."""
NOT_JSON = (ValueError, RecursionError)
NOT_YAML = (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError)
"""Of PyYAML: also for a tag (`!!bool x`) whose value is none."""
