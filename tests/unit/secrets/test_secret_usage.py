"""Every place in which a run config refers to a secret."""

from __future__ import annotations

import pytest

from workloads.config import RunConfig
from workloads.secrets import secret_names_used_by


def used_by(**document):
    return secret_names_used_by(RunConfig.from_dict({"name": "a", "image": "uvx://a", **document}))


def test_a_run_config_without_references_uses_none():
    assert used_by(env_vars={"some_secret_ref": "plain"}, container_labels={"a_token_ref": "plain"}) == frozenset()


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"secrets": ["one,target=A", "two,target=B", "one,target=C"]}, {"one", "two"}),
        ({"header_forward": {"add_headers_from_secret": {"X-Key": "header"}}}, {"header"}),
        ({"header_forward": {"add_plaintext_headers": {"X-Key": "plain"}}}, set()),
        ({"remote_auth_config": {"cached_refresh_token_ref": "refresh"}}, {"refresh"}),
        ({"remote_auth_config": {"cached_client_secret_ref": "client"}}, {"client"}),
        ({"remote_auth_config": {"cached_reg_token_ref": "registration"}}, {"registration"}),
        ({"remote_auth_config": {"cached_new_token_ref": "later"}}, {"later"}),
        ({"remote_auth_config": {"client_secret": "client,target=CLIENT_SECRET"}}, {"client"}),
        ({"remote_auth_config": {"bearer_token": "bearer,target=BEARER"}}, {"bearer"}),
        ({"remote_auth_config": {"bearer_token": "a value by itself"}}, set()),
        ({"remote_auth_config": {"ClientID": "x", "CachedRefreshTokenRef": "legacy"}}, {"legacy"}),
        ({"validating_webhooks": [{"name": "v", "url": "https://v", "hmac_secret_ref": "v"}]}, {"v"}),
        ({"mutating_webhooks": [{"name": "m", "url": "https://m", "hmac_secret_ref": "m,target=HMAC"}]}, {"m"}),
        (
            {
                "middleware_configs": [
                    {"type": "validating-webhook", "parameters": {"webhooks": [{"hmac_secret_ref": "deep"}]}},
                    {"type": "bodylimit", "parameters": {"max_bytes": 1}},
                ]
            },
            {"deep"},
        ),
        (
            {
                "additional_middleware_configs": [
                    {"type": "x", "parameters": {"add_headers_from_secret": {"X-Key": "header", "X-Other": 1}}}
                ]
            },
            {"header"},
        ),
    ],
)
def test_every_kind_of_reference_counts(document, names):
    assert used_by(**document) == names


def test_references_of_all_kinds_are_joined():
    names = used_by(
        secrets=["one,target=A"],
        header_forward={"add_headers_from_secret": {"X-Key": "two"}},
        remote_auth_config={"cached_refresh_token_ref": "three"},
        validating_webhooks=[{"name": "v", "url": "https://v", "hmac_secret_ref": "one"}],
    )
    assert names == {"one", "two", "three"}
