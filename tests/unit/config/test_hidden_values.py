"""What may be secret is neither printed nor told."""

from __future__ import annotations

import json
import logging
import traceback

import pytest

from workloads.config import MiddlewareConfig, RunConfig
from workloads.errors import RunConfigError

CANARY = "c4n4ry-Value"

DOCUMENT = {
    "name": "x",
    "env_vars": {"TOKEN": CANARY},
    "remote_auth_config": {
        "client_secret": CANARY,
        "bearer_token": CANARY,
        "oauth_params": {"k": CANARY},
        "headers": [{"name": "X", "value": CANARY}],
        "env_vars": [{"value": CANARY}],
        "later": CANARY,
    },
    "oidc_config": {"ClientSecret": CANARY},
    "header_forward": {"add_plaintext_headers": {"X-Key": CANARY}},
    "telemetry_config": {"headers": {"authorization": CANARY}, "tracingEnabled": True, "metricsEnabled": True},
    "validating_webhooks": [{"hmac_secret_ref": CANARY}],
    "middleware_configs": [
        {"type": "auth", "parameters": {"ClientSecret": CANARY}},
        {"type": "x", "parameters": CANARY},
    ],
    "authz_config": {"k": CANARY},
    "token_exchange_config": {"k": CANARY},
    "upstream_swap_config": {"k": CANARY},
    "aws_sts_config": {"k": CANARY},
    "embedded_auth_server_config": {"k": CANARY},
    "k8s_pod_template_patch": json.dumps({"env": CANARY}),
    "runtime_config": {"builder_image": "", "runtime_env": {"K": CANARY}},
    "later": {"k": CANARY},
}


def test_no_secret_is_in_the_text_of_a_run_config(caplog):
    config = RunConfig.from_dict(DOCUMENT)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("%s %r", config, config)
    assert CANARY not in f"{config} {config!r} {[config]} {config.remote_auth_config!r} {caplog.text}"
    assert "client_secret=<hidden>" in repr(config)
    assert "env_vars=<hidden: TOKEN>" in repr(config)
    assert config.to_dict() == DOCUMENT


def test_only_what_is_not_the_default_is_in_the_text():
    assert repr(RunConfig(name="x")) == "RunConfig(name='x')"
    assert repr(RunConfig(name="x", port=80, cmd_args=["a"])) == "RunConfig(cmd_args=('a',), name='x', port=80)"
    assert repr(MiddlewareConfig(type="a", parameters=[1])) == "MiddlewareConfig(type='a', parameters=<hidden>)"


@pytest.mark.parametrize("number", [77_665_544, 77_665_544.25, "list"])
@pytest.mark.parametrize(
    "path",
    [
        ("remote_auth_config", "client_secret"),
        ("remote_auth_config", "bearer_token"),
        ("remote_auth_config", "oauth_params", "k"),
        ("oidc_config", "ClientSecret"),
        ("header_forward", "add_plaintext_headers", "k"),
        ("telemetry_config", "headers", "k"),
        ("secrets", 0),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_secret_of_the_wrong_type_is_not_repeated(path, number):
    value = [77_665_544] if number == "list" else number
    for key in reversed(path):
        value = {key: value} if isinstance(key, str) else [value]
    with pytest.raises(RunConfigError) as caught:
        RunConfig.from_dict({"name": "x", **value})
    assert "77665544" not in str(caught.value)
    assert "expected str" in str(caught.value)


def test_a_secret_in_place_of_a_reference_is_not_repeated():
    with pytest.raises(RunConfigError) as caught:
        RunConfig(name="x", secrets=[CANARY])
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"name": "x", "env_vars": {{"A": "{CANARY}"}}, ]}}',
        f"name: x\nenv_vars: {{A: {CANARY}\n",
        f"name: x\nenv_vars:\n  A: '{CANARY}\n",
        f"name: x\nenv_vars: {{A: *{CANARY}}}\n",
        f"name: x\nenv_vars: {{A: {CANARY}, A: b}}\n",
        f"name: x\nenv_vars: [{CANARY}]\n",
        f"name: x\nenv_vars: {{A: [{CANARY}]}}\n",
        f"name: x\n\tA: {CANARY}\n",
        f"name: x\nA: '{CANARY}' b\n",
    ],
)
@pytest.mark.parametrize("load", [RunConfig.from_json, RunConfig.from_yaml])
def test_a_damaged_document_is_not_quoted(load, text):
    with pytest.raises(RunConfigError) as caught:
        load(text, source="a.json")
    error: BaseException | None = caught.value
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    while error is not None:
        shown += repr(error) + repr(vars(error))
        error = error.__cause__ or error.__context__
    # The source lines of this test that a traceback shows do not hold it.
    assert CANARY not in shown
