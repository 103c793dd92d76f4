"""Sessions as JSON: what ToolHive writes is read, what is written it reads, and nothing is lost or made up."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.session import Session
from workloads.session.codec import decode, encode

# As ToolHive's storage writes it for its transparent proxy (`pkg/transport/session`).
TOOLHIVE = (
    b'{"id":"5c1f0a52-1b7f-4d35-9d0c-8a3f5f0e7b11","type":"mcp","created_at":"2026-01-05T09:12:44.123456789Z",'
    b'"updated_at":"2026-01-05T10:13:02+01:00","data":{"n":1e400,"s":"\\u003cb\\u003e"},'
    b'"metadata":{"backend_url":"http://10.2.4.17:8080"}}'
)


@pytest.fixture(autouse=True, params=["with orjson", "without"], scope="module")
def reader(request):
    """Both readers take and refuse the same."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without":
            patch.setattr("workloads.session.codec.orjson", None)
        yield


def damaged(**changes):
    then = datetime(2026, 1, 5, tzinfo=UTC)
    tree = json.loads(encode(Session(id="one", created_at=then, updated_at=then)))
    tree.update(changes)
    return json.dumps({key: value for key, value in tree.items() if value != "left out"}).encode()


def test_what_toolhive_wrote_is_read():
    session = decode(TOOLHIVE)
    assert session == Session(
        id="5c1f0a52-1b7f-4d35-9d0c-8a3f5f0e7b11",
        created_at=datetime(2026, 1, 5, 9, 12, 44, 123456, tzinfo=UTC),
        updated_at=datetime(2026, 1, 5, 9, 13, 2, tzinfo=UTC),
        metadata={"backend_url": "http://10.2.4.17:8080"},
        extra={"data": '{"n":1e400,"s":"\\u003cb\\u003e"}'},
    )


def test_what_is_unknown_is_written_as_it_was_read():
    changed = attrs.evolve(decode(TOOLHIVE), metadata={})
    assert encode(changed) == (
        b'{"id":"5c1f0a52-1b7f-4d35-9d0c-8a3f5f0e7b11","type":"mcp","created_at":"2026-01-05T09:12:44.123456Z",'
        b'"updated_at":"2026-01-05T10:13:02+01:00","data":{"n":1e400,"s":"\\u003cb\\u003e"}}'
    )


def test_what_is_empty_is_left_out_and_times_are_those_of_go():
    moment = datetime(2026, 1, 5, 9, 12, 44, tzinfo=UTC)
    session = Session(id="one", type="sse", created_at=moment, updated_at=moment.replace(microsecond=120))
    assert encode(session) == (
        b'{"id":"one","type":"sse","created_at":"2026-01-05T09:12:44Z","updated_at":"2026-01-05T09:12:44.000120Z"}'
    )


def test_an_offset_that_rfc_3339_does_not_have_is_written_as_utc():
    moment = datetime(1900, 1, 1, 12, tzinfo=timezone(timedelta(minutes=19, seconds=32)))
    assert b'"created_at":"1900-01-01T11:40:28Z"' in encode(Session(id="one", created_at=moment))


@pytest.mark.parametrize("text", ["null", "{}"])
def test_metadata_that_is_null_or_empty_is_none(text):
    raw = damaged(metadata=json.loads(text))
    assert decode(raw).metadata == {}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no JSON"),
        (b'{"id": "', "no JSON"),
        (b"\xff\xfe", "no UTF-8"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "no JSON"),
        (b'{"id": NaN}', "no JSON"),
        (b"{}", "id, type, created_at, updated_at missing"),
        (damaged(updated_at="left out"), "updated_at missing"),
        (damaged(id=1), "id of a session is a text"),
        (damaged(id=""), "not empty"),
        (damaged(type="other"), "one of mcp, sse, streamable"),
        (damaged(type=["mcp"]), "one of mcp, sse, streamable"),
        (damaged(created_at=1700000000), "created_at is no RFC 3339 time"),
        (damaged(created_at="2026-01-05T09:12:44"), "created_at is no RFC 3339 time"),
        (damaged(created_at="2026-02-30T09:12:44Z"), "created_at is no RFC 3339 time"),
        (damaged(created_at="20260105T091244Z"), "created_at is no RFC 3339 time"),
        (damaged(updated_at="2026-01-05T09:12:44+24:00"), "updated_at is no RFC 3339 time"),
        (damaged(metadata=[]), "metadata is no object"),
        (damaged(metadata="backend_url"), "metadata is no object"),
        (damaged(metadata={"a": 1}), "texts by texts"),
        (damaged(metadata={"a": None}), "texts by texts"),
    ],
)
def test_a_damaged_value_is_told(raw, reason):
    with pytest.raises(ValueError, match=reason):
        decode(raw)


def test_what_is_wrong_is_told_without_repeating_it():
    with pytest.raises(ValueError, match="RFC 3339") as caught:
        decode(damaged(created_at="canary-1", metadata={"init_body": "canary-2"}))
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("extra", "reason"), [({"data": "{"}, "no JSON"), ({"data": "NaN"}, "no JSON"), ({"id": '"x"'}, "a field")]
)
def test_what_would_damage_a_value_is_not_written(extra, reason):
    with pytest.raises(ValueError, match=reason):
        encode(Session(id="one", extra=extra))


times = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)).flatmap(  # noqa: DTZ001
    lambda naive: st.integers(-1439, 1439).map(
        lambda minutes: naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    )
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
extras = st.dictionaries(
    st.text().filter(lambda key: key not in ("id", "type", "created_at", "updated_at", "metadata")),
    st.builds(lambda value, indent: json.dumps(value, indent=indent), values, st.sampled_from((None, 1))),
    max_size=3,
)
sessions = st.builds(
    Session,
    id=st.text(min_size=1),
    type=st.sampled_from(("mcp", "sse", "streamable")),
    created_at=times,
    updated_at=times,
    metadata=st.dictionaries(st.text(), st.text(), max_size=3),
    extra=extras,
)


@given(sessions)
def test_a_session_survives_being_written_and_read(session):
    twin = decode(encode(session))
    assert twin == session
    assert [twin.created_at.utcoffset(), twin.updated_at.utcoffset()] == [
        session.created_at.utcoffset(),
        session.updated_at.utcoffset(),
    ]
    assert encode(twin) == encode(session)


@given(sessions, st.sampled_from((None, 1, "\t")), st.booleans())
def test_any_form_of_the_same_json_is_the_same_session(session, indent, ascii_only):
    known = attrs.evolve(session, extra={})
    raw = json.dumps(json.loads(encode(known)), indent=indent, ensure_ascii=ascii_only, sort_keys=True)
    assert decode(raw.encode("utf-8", "surrogatepass")) == known


ALMOST_TIMES = (
    "2026-01-05T09:12:44Z",
    "2026-01-05T09:12:44.1234567891Z",
    "2026-01-05T09:12:44,5Z",
    "2026-01-05T09:12:44z",
    "2026-01-05 09:12:44Z",
    "2026-W02-1T09:12:44Z",
    "2026-01-05T09:12:44+01:00:30",
    "2026-01-05T24:00:00Z",
    "2026-01-05T09:12:44Z\n",
    "٢٠٢٦-01-05T09:12:44Z",
)


@given(
    st.sampled_from(("id", "type", "created_at", "updated_at", "metadata", "other")),
    values | st.sampled_from(ALMOST_TIMES) | st.dictionaries(st.text(), values, max_size=2),
)
def test_the_quick_reader_takes_and_refuses_what_the_careful_one_does(key, value):
    raw = damaged(**{key: value})

    def outcome():
        try:
            return decode(raw)
        except ValueError as error:
            return str(error)

    quick = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workloads.session.codec.orjson", None)
        assert quick == outcome()


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw):
    try:
        session = decode(raw)
    except ValueError:
        return
    assert isinstance(session, Session)


def test_a_session_can_be_copied_and_sent_and_does_not_change():
    session = decode(TOOLHIVE)
    for twin in (copy.deepcopy(session), pickle.loads(pickle.dumps(session))):
        assert twin == session
    with pytest.raises(TypeError):
        session.metadata["a"] = "1"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        session.id = "two"


def test_what_others_stored_is_not_shown():
    assert "canary" not in repr(Session(id="one", extra={"data": '"canary"'}))


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        ({"id": ""}, ValueError, "not empty"),
        ({"id": None}, TypeError, "is a text"),
        ({"id": "a", "type": "x"}, ValueError, "one of"),
        ({"id": "a", "created_at": datetime(2026, 1, 1)}, ValueError, "time zone"),  # noqa: DTZ001
        ({"id": "a", "updated_at": "2026"}, TypeError, "is a datetime"),
        ({"id": "a", "metadata": {"a": 1}}, TypeError, "texts by texts"),
        ({"id": "a", "metadata": {1: "a"}}, TypeError, "texts by texts"),
    ],
)
def test_a_session_that_could_not_be_stored_is_not_made(fields, error, reason):
    with pytest.raises(error, match=reason):
        Session(**fields)
