"""Who tells of changes in a cluster, while another task's trouble closes the connections that are asked on."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.virtual_time import run

from workloads.session.redis import sources
from workloads.session.redis.reasons import FAILURES

MASTER = ("127.0.0.1", 7000)
NOT_THERE = AttributeError("'NoneType' object has no attribute 'writelines'")


class Tracked:
    """A tracking connection that hears nothing."""

    def __init__(self, connection, *, heard, lost) -> None:
        pass

    async def open(self, prefix: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


class Client:
    """redis-py's client of a cluster of one node, that answers as planned: slots, or an error."""

    host, port, connection_kwargs = *MASTER, {}

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.nodes_manager = self

    async def initialize(self) -> None:
        pass

    def get_primaries(self):
        return [self]

    def connection_class(self, **options) -> None:
        pass

    def remap_host_port(self, host: str, port: int) -> tuple[str, int]:
        return host, port

    async def execute_command(self, *command, target_nodes):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {slots: {"primary": MASTER} for slots in answer}


class Listener:
    def __init__(self) -> None:
        self.all_changed = asyncio.Event()

    def heard(self, keys) -> None:
        assert keys is None
        self.all_changed.set()

    def lost(self, error, reason="") -> None:
        pytest.fail(f"lost: {error or reason}")


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch):
    monkeypatch.setattr(sources, "Tracker", Tracked)


def test_slots_that_move_are_told_of_after_a_connection_was_closed_under_a_look():
    async def body() -> None:
        listener = Listener()
        client = Client([(0, 16383)], NOT_THERE, [(0, 99), (100, 16383)])
        source = sources._ClusterSource(client, b"p:")
        await source.open(listener)
        async with asyncio.timeout(60):
            await listener.all_changed.wait()
        await source.close()

    run(body())


def test_a_connection_that_is_closed_at_the_first_look_is_a_failure_that_is_known():
    async def body() -> None:
        with pytest.raises(FAILURES):
            await sources._ClusterSource(Client(NOT_THERE), b"p:").open(Listener())

    run(body())
