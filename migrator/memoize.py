"""Do the same work once: a fleet has thousands of nodes and few kinds of them."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import ParamSpec, TypeVar

from pydantic import BaseModel

_P = ParamSpec("_P")
_R = TypeVar("_R")
_MOST = 512


def memoize(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep the last few hundred results of a pure function.

    `functools.lru_cache` cannot: values that hold mappings have no hash, so their JSON stands for them here.
    Results are shared, so they must not be changed.
    """
    results: OrderedDict[Hashable, _R] = OrderedDict()

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            key = (*map(_key, args), *((name, _key(value)) for name, value in kwargs.items()))
        except ValueError:  # no text that JSON takes: the function will say what is wrong with it
            return function(*args, **kwargs)
        try:
            results.move_to_end(key)
            return results[key]
        except KeyError:
            result = results[key] = function(*args, **kwargs)
            if len(results) > _MOST:
                results.popitem(last=False)
            return result

    return wrapper


def _key(value: object) -> Hashable:
    if isinstance(value, BaseModel):
        return type(value), value.model_dump_json()
    if isinstance(value, dict):
        return tuple((name, _key(entry)) for name, entry in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    return value  # strings, numbers and None; anything else fails loudly in the lookup
