"""Images: whether they are there, and fetching them."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from workloads.errors import WorkloadFailedError, WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workloads.runtimes.container.engine import Engine

__all__ = ("Progress", "described", "ensure_image", "image_id", "progress_of")

Progress = tuple[int, int]
"""Bytes that are here, and bytes in all, as far as known."""

_MEGABYTE = 10**6

_log = logging.getLogger(__name__)


def ensure_image(
    engine: Engine, image: str, *, name: str, pull: str = "", told: Callable[[Progress], object] | None = None
) -> str:
    """Have an image, fetched when that is asked for.

    Args:
        engine: Where it shall be.
        image: Its reference.
        name: The workload that needs it.
        pull: When it is fetched: ``always`` (which may fail while it is there), ``never``, or else when it is missing.
        told: Told how far it is, now and then. Default: nobody.

    Returns:
        Its id.

    Raises:
        WorkloadFailedError: It is not there and cannot be, or must not be, fetched.
        RuntimeUnavailableError: The engine does not answer.
    """
    present = image_id(engine, image, name=name)
    if present and pull != "always":
        return present
    if pull == "never":
        raise WorkloadFailedError(name, f"image {image!r} is not here, and pull is 'never'; build or pull it first")
    try:
        _pull(engine, image, name, told)
    except WorkloadsError as error:
        if not present:
            raise
        _log.warning("image not fetched", extra={"workload": name, "image": image, "reason": str(error)})
    fetched = image_id(engine, image, name=name)
    if not fetched:
        raise WorkloadFailedError(name, f"image {image!r} was fetched and is gone again; try again")
    return fetched


def image_id(engine: Engine, image: str, *, name: str) -> str:
    """The id of an image; empty when it is not there.

    Args:
        engine: Where it may be.
        image: Its reference.
        name: The workload that needs it.

    Raises:
        WorkloadFailedError: It has no proper reference.
        RuntimeUnavailableError: The engine does not answer.
    """
    from docker.errors import ImageNotFound, NotFound

    with engine.client(f"cannot look for image {image!r}", name=name) as client:
        try:
            return str(client.inspect_image(image)["Id"])
        except (ImageNotFound, NotFound):
            return ""


def progress_of(events: Iterator[dict[str, Any]]) -> Iterator[Progress]:
    """How far a pull is after each of its events. Pure.

    Args:
        events: What the engine tells while it fetches.

    Raises:
        ValueError: The engine says that it failed; the message is its own.
    """
    layers: dict[str, Progress] = {}
    for event in events:
        if "error" in event:
            raise ValueError(str(event["error"]))
        detail: dict[str, Any] = event.get("progressDetail") or {}
        layer, size = event.get("id"), detail.get("total")
        if isinstance(layer, str) and isinstance(size, int) and event.get("status") == "Downloading":
            layers[layer] = int(detail.get("current") or 0), size
        elif layer in layers and event.get("status") in ("Download complete", "Pull complete"):
            layers[layer] = layers[layer][1], layers[layer][1]
        else:
            continue
        yield sum(here for here, _ in layers.values()), sum(size for _, size in layers.values())


def described(image: str, progress: Progress) -> str:
    """How far a pull is, for people. Pure."""
    here, size = progress
    return f"fetching image {image}: {here // _MEGABYTE} of {size // _MEGABYTE} MB"


def _pull(engine: Engine, image: str, name: str, told: Callable[[Progress], object] | None) -> None:
    from workloads.runtimes.container.faults import faults

    doing = f"cannot fetch image {image!r}"
    repository, tag = _reference(image)
    client = engine.stream(doing)
    events: Iterator[dict[str, Any]] = iter(())
    try:
        with faults(engine.name, engine.url, doing, name=name):
            events = client.pull(repository, tag, stream=True, decode=True)
            for progress in progress_of(events):
                if told is not None:
                    told(progress)
    except ValueError as error:
        deque(events, maxlen=0)  # the SDK closes an answer only at its end
        raise WorkloadFailedError(name, f"{doing}: {error}; correct image, or build it here") from error
    finally:
        client.close()


def _reference(image: str) -> tuple[str, str | None]:
    """Repository and tag of a reference. Without a tag it is ``latest``: the engine would fetch them all."""
    if "@" in image:
        return image, None
    repository, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:
        return image, "latest"
    return repository, tag
