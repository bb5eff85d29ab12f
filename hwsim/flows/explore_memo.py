"""Results that are kept by what was read of the configuration, so that a key which plays no part costs nothing.

A function of a configuration gets one that notes which keys and properties are read. For another configuration with
the same values of these it would take the same steps, so its result is the same, and is not computed again:

    f(a) reads k1, ..., kn   and   a[k] == b[k] for all of them   =>   f(b) == f(a)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError

T = TypeVar("T")


class _Noting:
    """A configuration that notes what is read of it."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._seen: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = self._seen[name] = getattr(self._config, name)
        if callable(value):
            raise TypeError(f"{name}: what a method reads of a configuration cannot be noted")
        return value


class Memo(Generic[T]):
    """Results of one function, refusals (``HwsimError``) too."""

    def __init__(self, function: Callable[[AcceleratorConfig], T]) -> None:
        self._function = function
        self._known: dict[tuple[str, ...], dict[tuple[Any, ...], T | HwsimError]] = {}
        """By the names that were read, then by their values."""
        self.computed = 0

    def __call__(self, config: AcceleratorConfig) -> T:
        """The function's result.

        Raises
        ------
        HwsimError
            What the function raised.
        """
        result = self._result(config)
        if isinstance(result, HwsimError):
            raise result
        return result

    def _result(self, config: AcceleratorConfig) -> T | HwsimError:
        for names, results in self._known.items():
            found = results.get(tuple(getattr(config, name) for name in names))
            if found is not None:
                return found
        noting = _Noting(config)
        result: T | HwsimError
        try:
            result = self._function(cast("AcceleratorConfig", noting))
        except HwsimError as error:
            result = error.with_traceback(None)
        names = tuple(sorted(noting._seen))
        self._known.setdefault(names, {})[tuple(noting._seen[name] for name in names)] = result
        self.computed += 1
        return result
