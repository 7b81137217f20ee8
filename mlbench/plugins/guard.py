"""The one guard around code of plugins."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from mlbench.errors import MlbenchError, PluginError, one_line


@contextlib.contextmanager
def guarded(what: str, *, passing: tuple[type[BaseException], ...] = (MlbenchError,)) -> Iterator[None]:
    """Turn whatever plugin code raises into one ``PluginError``, and send what it prints to stderr.

    Args:
        what: What failed if it does, as the error begins.
        passing: Exceptions to let through, beside Ctrl-C: by default those whose message is one line already.

    Raises:
        PluginError: The code raised something else; it may even have called ``sys.exit``.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            yield
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except passing:
        raise
    except BaseException as error:
        raise PluginError(one_line(f"{what}: {type(error).__name__}: {error}")) from error
