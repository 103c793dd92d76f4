"""Any storage beside a dict and a clock, doing the same."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from workloads.errors import SessionNotFoundError
from workloads.session import Session
from workloads.testing.storages.hooks import StorageHooks

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from workloads.session import Storage

__all__ = ("ModelTests",)

T = TypeVar("T")

_MOMENT = datetime(2026, 1, 5, 9, 12, 44, tzinfo=UTC)

_ids = st.sampled_from(("a", "b", "c"))
_metadata = st.dictionaries(st.sampled_from(("backend_url", "backend_sid")), st.text(max_size=3), max_size=2)


@attrs.frozen
class _Kept:
    session: Session
    until: float


class _Machine(RuleBasedStateMachine):
    """Does something with a storage and with the model, and compares the outcomes."""

    def __init__(self, hooks: StorageHooks, runner: asyncio.Runner) -> None:
        super().__init__()
        self._hooks, self._runner = hooks, runner
        self._model: dict[str, _Kept] = {}
        self._now = 0.0
        self._run_id = uuid.uuid4().hex  # sessions of earlier runs are still there
        self._storage: Storage = self._await(self._open())

    def teardown(self) -> None:
        self._await(self._storage.close())

    @rule(name=_ids, metadata=_metadata)
    def store(self, name: str, metadata: dict[str, str]) -> None:
        session = self._session(name, metadata)
        self._await(self._storage.store(session))
        self._keep(session)

    @rule(name=_ids, metadata=_metadata)
    def create(self, name: str, metadata: dict[str, str]) -> None:
        session = self._session(name, metadata)
        created = self._await(self._storage.create(session))
        assert created is (self._kept(session.id) is None)
        if created:
            self._keep(session)

    @rule(name=_ids, metadata=_metadata)
    def update(self, name: str, metadata: dict[str, str]) -> None:
        session = self._session(name, metadata)
        updated = self._await(self._storage.update(session))
        assert updated is (self._kept(session.id) is not None)
        if updated:
            self._keep(session)

    @rule(name=_ids, metadata=_metadata, expected=_metadata, right=st.booleans())
    def replace(self, name: str, metadata: dict[str, str], expected: dict[str, str], right: bool) -> None:
        session = self._session(name, metadata)
        kept = self._kept(session.id)
        wanted = kept if kept is not None and right else self._session(name, expected)
        replaced = self._await(self._storage.update(session, expected=wanted))
        assert replaced is (kept == wanted)
        if replaced:
            self._keep(session)

    @rule(name=_ids)
    def load(self, name: str) -> None:
        session_id = self._id(name)
        kept = self._kept(session_id)
        try:
            loaded = self._await(self._storage.load(session_id))
        except SessionNotFoundError:
            assert kept is None
        else:
            assert loaded == kept
            self._keep(loaded)

    @rule(name=_ids)
    def delete(self, name: str) -> None:
        self._await(self._storage.delete(self._id(name)))
        self._model.pop(self._id(name), None)

    @rule(hundreds=st.integers(1, 12))
    def age(self, hundreds: int) -> None:
        self._await(self._hooks.age(100.0 * hundreds))
        self._now += 100.0 * hundreds

    @rule()
    def delete_expired(self) -> None:
        self._await(self._storage.delete_expired(datetime.now(UTC) - timedelta(seconds=self._hooks.ttl)))

    @rule()
    def open_another(self) -> None:
        if self._hooks.shared:
            self._await(self._storage.close())
            self._storage = self._await(self._open())

    @invariant()
    def what_is_stored_is_what_the_model_has(self) -> None:
        for name in ("a", "b", "c"):
            kept = self._kept(self._id(name))
            if kept is not None:
                assert self._await(self._hooks.stored(kept.id)) == kept

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    async def _open(self) -> Storage:
        return self._hooks.open()

    def _id(self, name: str) -> str:
        return f"{self._run_id} {name}"

    def _session(self, name: str, metadata: dict[str, str]) -> Session:
        return Session(id=self._id(name), created_at=_MOMENT, metadata=metadata)

    def _keep(self, session: Session) -> None:
        self._model[session.id] = _Kept(session, self._now + self._hooks.ttl)

    def _kept(self, session_id: str) -> Session | None:
        kept = self._model.get(session_id)
        return kept.session if kept is not None and kept.until > self._now else None


class ModelTests(StorageHooks):
    """A property: no sequence of calls tells a storage from a dict whose entries expire."""

    def test_it_behaves_like_a_dict_whose_entries_expire(self, runner: asyncio.Runner) -> None:
        """Whatever is done, in whatever order, with whatever time in between."""
        machine: Any = lambda: _Machine(self, runner)  # noqa: E731  # it takes a factory, and its types want a class
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=30,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
            ),
        )
