"""How a command ends: a mistake in the input is one sentence on stderr and exit status 2, and so is Ctrl-C."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec

from hwsim.errors import HwsimError

P = ParamSpec("P")

EXIT_MISTAKE = 2
EXIT_DIFFERENT = 1
INTERRUPTED = "interrupted before the result was complete; no file is half-written"


def fail(sentence: str) -> NoReturn:
    """Print the sentence and leave."""
    print(f"hwsim: {sentence}", file=sys.stderr)
    sys.exit(EXIT_MISTAKE)


def one_sentence(command: Callable[P, None]) -> Callable[P, None]:
    """Turn a mistake or Ctrl-C into one sentence and exit status 2."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except HwsimError as error:
            fail(str(error))
        except KeyboardInterrupt:
            fail(INTERRUPTED)

    return wrapped
