from __future__ import annotations

import pytest

from workloads._core.fields import text, whole_number


def test_a_string_is_read():
    assert text({"a": "b"}, "a") == "b"


@pytest.mark.parametrize("document", [{}, {"a": None}])
def test_what_is_missing_or_null_has_its_default(document):
    assert text(document, "a", "") == ""
    assert whole_number(document, "a", 0) == 0


@pytest.mark.parametrize(
    ("document", "got"), [({}, "nothing"), ({"a": None}, "None"), ({"a": 1}, "1"), ({"a": ["x"]}, "a list")]
)
def test_another_type_is_refused_and_named(document, got):
    with pytest.raises(ValueError, match=f"^a: expected a string, got {got}$"):
        text(document, "a")


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, 2**63, [1]])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^a: expected a whole number of at least 0"):
        whole_number({"a": value}, "a", 5)


def test_a_string_is_not_repeated_in_an_error():
    with pytest.raises(ValueError, match="a str") as caught:
        whole_number({"a": "hunter2"}, "a")
    assert "hunter2" not in str(caught.value)
