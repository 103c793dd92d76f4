"""What a server may ask a client, and what is open."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.bridge.asking import MAX_ASKED, Asks, declares, needed

FORM, URL = {"message": "?"}, {"message": "?", "mode": "url"}


@pytest.mark.parametrize(
    ("capabilities", "method", "params", "may"),
    [
        ({}, "roots/list", {}, False),
        ({"roots": {}}, "roots/list", {}, True),
        ({"roots": None}, "roots/list", {}, True),
        ({"elicitation": {}}, "elicitation/create", FORM, True),
        ({"elicitation": {}}, "elicitation/create", URL, False),
        ({"elicitation": {}}, "elicitation/create", {"message": "?", "mode": {}}, False),
        ({"elicitation": {"url": {}}}, "elicitation/create", FORM, False),
        ({"elicitation": {"url": {}}}, "elicitation/create", URL, True),
        ({"elicitation": {"form": {}, "url": {}}}, "elicitation/create", URL, True),
        ({"sampling": {}}, "sampling/createMessage", {}, True),
        ({"sampling": {}}, "sampling/createMessage", {"tools": []}, False),
        ({"sampling": {"tools": {}}}, "sampling/createMessage", {"tools": []}, True),
        ({"sampling": {}, "roots": {}, "elicitation": {}}, "tasks/get", {}, False),
    ],
)
def test_a_client_is_asked_only_what_it_declared(capabilities, method, params, may):
    assert declares(capabilities, method, params) is may


def test_what_a_client_lacks_is_told_as_it_would_be_declared():
    assert needed("elicitation/create", URL) == {"elicitation": {"url": {}}}
    assert needed("sampling/createMessage", {"tools": []}) == {"sampling": {"tools": {}}}
    assert needed("ping", {}) is None


def question(server_id, token=None):
    meta = {} if token is None else {"_meta": {"progressToken": token}}
    return {"jsonrpc": "2.0", "id": server_id, "method": "roots/list", "params": meta}


def test_a_question_has_an_id_of_ours_and_is_answered_once():
    asks = Asks()
    one, two = asks.put(question(7)), asks.put(question(7))
    assert one.id != two.id
    assert one.sent == {"jsonrpc": "2.0", "id": one.id, "method": "roots/list", "params": {}}
    assert asks.take("nobody's") is None
    assert asks.take(7) is None
    assert asks.take(one.id) is one
    assert asks.take(one.id) is None
    assert asks.all() == [two]


def test_a_question_is_found_by_the_id_and_the_token_of_the_server_with_their_types():
    asks = Asks()
    ask = asks.put(question(7, token="t"))
    assert asks.find(7) is ask
    assert asks.find("7") is None
    assert asks.find(None) is None
    assert asks.reports("t")
    assert not asks.reports(None)


def test_only_so_much_is_asked_at_the_same_time():
    asks = Asks()
    for number in range(MAX_ASKED):
        asks.put(question(number))
    assert asks.put(question("more")) is None
