"""What a container engine, or the way to it, can do wrong, in the words of this library."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from workloads.errors import RuntimeUnavailableError, WorkloadFailedError
from workloads.runtimes.ping import DENIED

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from docker.errors import APIError

__all__ = ("explained", "faults")


@contextlib.contextmanager
def faults(engine: str, url: str, doing: str, *, name: str = "") -> Generator[None]:
    """Turn what the SDK raises inside into errors of this library.

    Args:
        engine: Who is asked: ``docker`` or ``podman``.
        url: Where it is.
        doing: What is being done, such as ``cannot start its container``.
        name: The workload that it is done for; empty for none, when every fault is the engine's.

    Raises:
        WorkloadFailedError: The engine answered that it cannot do it.
        RuntimeUnavailableError: The engine does not answer.
    """
    from docker.errors import APIError, DockerException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        if name:
            raise WorkloadFailedError(name, f"{doing}: {explained(error)}") from error
        raise RuntimeUnavailableError(engine, f"{doing}: {explained(error)}") from error
    except (OSError, HTTPError, DockerException) as error:
        raise RuntimeUnavailableError(engine, f"{doing}: {url}: {_reason(error)}") from error


def explained(error: APIError) -> str:
    """What the engine said, on one line."""
    return " ".join((error.explanation or str(error)).split())


def _reason(error: BaseException) -> str:
    """Why there was no answer. The SDK wraps the system's error in several of its own."""
    for cause in _causes(error):
        match cause:
            case PermissionError():
                return DENIED
            case FileNotFoundError():
                return "its socket is gone; start the engine"
            case ConnectionRefusedError():
                return "connection refused: nothing listens there any more; start the engine"
            case TimeoutError():
                return "no answer in time"
            case _:
                pass
    return f"the connection to it was lost ({type(error).__name__}); see that the engine runs"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: list[BaseException] = [error]
    while left:
        cause = left.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        left += [each for each in (cause.__cause__, cause.__context__) if each is not None]
        left += [each for each in cause.args if isinstance(each, BaseException)]
