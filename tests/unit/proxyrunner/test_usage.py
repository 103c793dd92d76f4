"""What keeps a workload awake, as it travels and as people read it."""

from __future__ import annotations

import json

from workloads.cli.render import usage_details
from workloads.proxyrunner.control.usage import Usage
from workloads.scaletozero import DisableStatus, HoldStatus

FULL = Usage(
    sleeps=True,
    holds=(HoldStatus(owner="job", reason="nightly", age=3.2), HoldStatus(owner="", reason="", age=1)),
    disables=(DisableStatus(name="demo", age=7200),),
    requests=1,
    streams=2,
    sessions=3,
    session_idle=4.6,
)


def test_it_comes_back_as_it_went_and_unknown_members_are_passed_over():
    document = json.loads(json.dumps(FULL.to_dict()))
    assert Usage.from_dict(document | {"later": 1}) == FULL


def test_everybody_is_named():
    assert FULL.in_use
    assert FULL.users() == [
        "held by job (nightly) since 3 s",
        "held by somebody since 1 s",
        "demo has disabled sleeping 7200 s ago",
        "1 request under way",
        "2 streams open",
        "3 sessions, last used 5 s ago",
    ]


def test_people_read_when_it_sleeps():
    def sleeps(**members):
        return dict(usage_details(Usage(**{"sleeps": True, **members})))["Sleeps"]

    assert sleeps(sleeps=False) == "never: it has no idle_timeout"
    assert sleeps(asleep=True, sleeps_in=0.0) == "now; the next request wakes it"
    assert sleeps() == "not while it is used"
    assert sleeps(sleeps_in=41.7) == "in 42 s, unless it is used"
    assert ("Trouble", "no space") in usage_details(Usage(sleeps=True, trouble="no space"))
