"""Results that are kept by what was asked of the configuration, so that a key which plays no part costs nothing.

A function of a configuration gets one that notes each key or property that is read, and each method that is called,
with the answer. Where another configuration gives the same answers the function would take the same steps, so its
result is the same, and is not computed again:

    f(a) asks q1, ..., qn   and   q(a) == q(b) for all of them   =>   f(b) == f(a)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, cast

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError

T = TypeVar("T")


class _Question(NamedTuple):
    """A key or property, or a method with its arguments."""

    name: str
    arguments: tuple[Any, ...] | None

    def answer(self, config: AcceleratorConfig) -> Any:
        """What a configuration says."""
        value = getattr(config, self.name)
        return value if self.arguments is None else value(*self.arguments)


class _Noting:
    """A configuration that notes what is asked of it."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._noted: dict[_Question, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._config, name)
        if callable(value):
            return lambda *arguments: self._note(_Question(name, arguments), value(*arguments))
        return self._note(_Question(name, None), value)

    def _note(self, question: _Question, answer: Any) -> Any:
        self._noted[question] = answer
        return answer


class Memo(Generic[T]):
    """Results of one function, refusals (``HwsimError``) too."""

    def __init__(self, function: Callable[[AcceleratorConfig], T]) -> None:
        self._function = function
        self._known: dict[tuple[_Question, ...], dict[tuple[Any, ...], T | HwsimError]] = {}
        """By what was asked, then by the answers."""
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
        for questions, results in self._known.items():
            found = results.get(tuple(question.answer(config) for question in questions))
            if found is not None:
                return found
        noting = _Noting(config)
        result: T | HwsimError
        try:
            result = self._function(cast("AcceleratorConfig", noting))
        except HwsimError as error:
            result = error.with_traceback(None)
        noted = noting._noted
        questions = tuple(sorted(noted, key=repr))
        self._known.setdefault(questions, {})[tuple(noted[question] for question in questions)] = result
        self.computed += 1
        return result
