"""One thread for what must give the same bits, and for what shares the machine."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Within it, the thread pools of native libraries have one thread; entering it costs microseconds, not milliseconds.

    `threadpool_limits` looks for the libraries of the process each time; here they are looked for once.
    """
    told: AbstractContextManager[Any] = _controller().limit(limits=1)
    return told


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
