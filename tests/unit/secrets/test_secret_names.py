from __future__ import annotations

import pytest

from workloads.errors import InvalidNameError, InvalidSecretError
from workloads.secrets import check_secret_name, check_secret_value, is_reserved


@pytest.mark.parametrize("name", ["a", "API_KEY", "team/api key", "ключ", "x" * 255, "a=b", "op://vault/item"])
def test_what_a_run_config_can_refer_to_is_a_name(name):
    check_secret_name(name)


@pytest.mark.parametrize("name", ["", "a,b", "a\nb", "a\0", "a\x1b[2J", "\ud800", "x" * 256])
def test_what_a_run_config_cannot_refer_to_is_no_name(name):
    with pytest.raises(InvalidNameError, match="invalid secret name"):
        check_secret_name(name)


@pytest.mark.parametrize("name", ["__thv_workloads_token", "__thv_", "__workloads_password"])
def test_names_of_internal_secrets_are_refused_to_users(name):
    assert is_reserved(name)
    with pytest.raises(InvalidNameError, match="internal"):
        check_secret_name(name)


@pytest.mark.parametrize("name", ["thv_token", "_thv_", "a__thv_b", "__other"])
def test_similar_names_are_not_internal(name):
    assert not is_reserved(name)


@pytest.mark.parametrize("value", ["a", " ", "two\nlines\n", "ключ", "x" * 120 * 1024])
def test_what_one_variable_can_hold_is_a_value(value):
    check_secret_value("key", value)


@pytest.mark.parametrize("value", ["", "hunter2\0", "hunter2\ud800", "hunter2" * 20_000], ids=repr)
def test_what_no_variable_can_hold_is_refused_without_repeating_it(value):
    with pytest.raises(InvalidSecretError) as caught:
        check_secret_value("key", value)
    assert caught.value.name == "key"
    assert "hunter2" not in str(caught.value) + repr(caught.value.__dict__)
