"""Which process of a stdio server a request goes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.aio import run

from workloads.proxyrunner.bridge.pool import FrontPool


@dataclass
class Front:
    name: str
    load: int = 0
    held: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)

    @property
    def sessions(self):
        return len(self.held)

    def remembers(self, state):
        return state in self.held

    def holds(self, session_id):
        return session_id in self.held

    async def post(self, request):
        self.served.append("POST")

    async def get(self, request):
        self.served.append("GET")

    async def delete(self, request):
        self.served.append("DELETE")


class Request:
    def __init__(self, method="", session=None, state=None):
        self.method = method
        self.params = None if state is None else {"requestState": state}
        self.headers = [] if session is None else [(b"mcp-session-id", session)]


def pool(*fronts):
    subject = FrontPool()
    for front in fronts:
        subject.add(front)
    return subject


def test_a_session_begins_where_there_are_fewest_and_stays_there_on_every_verb():
    busy, free = Front("busy", held={"a", "b"}), Front("free", load=9, held={"c"})
    subject = pool(busy, free)

    async def body():
        await subject.post(Request("initialize", b"a"))
        assert free.served == ["POST"]
        for verb in (subject.post, subject.get, subject.delete):
            await verb(Request(session=b"a"))
        assert busy.served == ["POST", "GET", "DELETE"]

    run(body())


def test_t25_requests_of_no_session_go_to_the_least_loaded_process_and_take_turns():
    """MCP-T25: two replicas, modern: 100 calls spread; no pin left behind."""
    fronts = [Front("a"), Front("b", load=1), Front("c")]

    async def body():
        subject = pool(*fronts)
        for _ in range(10):
            await subject.post(Request("tools/call"))

    run(body())
    assert [len(front.served) for front in fronts] == [5, 0, 5]


def test_a_request_that_goes_on_goes_to_the_process_that_knows_its_state():
    fronts = [Front("a"), Front("b", load=5, held={"state"})]

    async def body():
        subject = pool(*fronts)
        await subject.post(Request("tools/call", state="state"))
        await subject.post(Request("tools/call", state="nobody's"))

    run(body())
    assert [len(front.served) for front in fronts] == [1, 1]


def test_a_process_that_left_gets_nothing_and_another_says_that_its_session_is_unknown():
    gone, left = Front("gone", held={"a"}), Front("left", load=5)
    subject = pool(gone, left)
    subject.remove(gone)

    async def body():
        await subject.post(Request("tools/call", b"a"))

    run(body())
    assert len(subject) == 1
    assert (gone.served, left.served) == ([], ["POST"])
