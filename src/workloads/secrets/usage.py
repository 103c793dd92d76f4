"""Which secrets a run config refers to. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from workloads.config import parse_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config import RemoteAuthConfig, RunConfig

__all__ = ("secret_names_used_by",)

# Keys of middleware parameters, whose form is not known here, that hold the name of a secret.
_REFERENCES = ("_secret_ref", "_token_ref")


def secret_names_used_by(config: RunConfig) -> frozenset[str]:
    """The names of all secrets that a run config refers to, wherever in it.

    Args:
        config: The run config.

    Example:
        >>> from workloads.config import RunConfig
        >>> secret_names_used_by(RunConfig(name="search", image="uvx://search", secrets=["api_key,target=KEY"]))
        frozenset({'api_key'})
    """
    return frozenset(_secret_name(reference) for reference in _references(config) if reference)


def _references(config: RunConfig) -> Iterator[str]:
    yield from config.secrets
    if config.header_forward is not None:
        yield from config.header_forward.add_headers_from_secret.values()
    if config.remote_auth_config is not None:
        yield from _of_remote_auth(config.remote_auth_config)
    for webhook in (*config.validating_webhooks, *config.mutating_webhooks):
        yield webhook.hmac_secret_ref
    for middleware in (*config.middleware_configs, *config.additional_middleware_configs):
        yield from _of_parameters(middleware.parameters)


def _of_remote_auth(remote: RemoteAuthConfig) -> Iterator[str]:
    yield remote.cached_refresh_token_ref
    yield remote.cached_client_secret_ref
    yield remote.cached_reg_token_ref
    # These hold a value or a reference; a reference is told by its form.
    for value in (remote.client_secret, remote.bearer_token):
        if ",target=" in value:
            yield value
    for key, value in remote.__unknown__.items():
        if key.endswith(("_ref", "Ref")) and isinstance(value, str):
            yield value


def _of_parameters(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            if isinstance(item, str) and key.endswith(_REFERENCES):
                yield item
            elif key == "add_headers_from_secret" and isinstance(item, dict):
                yield from (name for name in cast("dict[str, Any]", item).values() if isinstance(name, str))
            else:
                yield from _of_parameters(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _of_parameters(item)


def _secret_name(reference: str) -> str:
    """The secret of a reference, which is a name alone, or a name and the variable it goes to."""
    try:
        return parse_secret(reference).name
    except ValueError:
        return reference
