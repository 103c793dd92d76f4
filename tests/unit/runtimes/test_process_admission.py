"""What plain processes refuse."""

from __future__ import annotations

import pytest

from workloads import PermissionProfile, RunConfig, ScalingConfig
from workloads.config.build import BuildConfig
from workloads.config.permissions import InboundPermissions, NetworkPermissions, OutboundPermissions
from workloads.runtimes.process.admission import refusals

ALLOW_ALL = OutboundPermissions(insecure_allow_all=True)


def profile(*, network=None, **fields):
    return PermissionProfile(network=network or NetworkPermissions(outbound=ALLOW_ALL), **fields)


def paths(**fields):
    """The keys that are refused, of a config that is fine otherwise."""
    base = {"name": "a", "transport": "streamable-http"}
    if not fields.get("image"):
        base["command"] = ("server",)
    return [problem.path for problem in refusals(RunConfig(**{**base, **fields}))]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"transport": "stdio"},
        {"transport": "stdio", "proxy_mode": "streamable-http"},
        {"transport": "sse", "proxy_mode": "sse"},
        {"image": "uvx://mcp-server-time@1.2"},
        {"image": "npx://@scope/pkg@1"},
        {"command": ("/opt/server", "sub/path")},
        {"permission_profile_name_or_path": "network"},
        {"permission_profile": profile()},
        {"permission_profile": profile(network=NetworkPermissions(mode="host", outbound=ALLOW_ALL))},
        {"backend_replicas": 0},
        {"backend_replicas": 1},
        {"backend_replicas": 32},
        {"backend_replicas": 2, "transport": "stdio", "target_port": 9000},
        {"backend_replicas": 1, "transport": "streamable-http", "target_port": 9000},
        {"image": "uvx://a", "runtime_config": BuildConfig(build_with=["b"], runtime_env={"A": "b"})},
        {"runtime_config": BuildConfig()},
        {"container_name": "a", "container_labels": {"a": "b"}, "sleep_mode": "stop"},
        {"command": (), "remote_url": "https://example.com/mcp"},
    ],
    ids=str,
)
def test_what_processes_can_do_is_not_refused(fields):
    assert paths(**fields) == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"image": "ghcr.io/acme/time:1"}, "image"),
        ({"image": "go://example.com/x"}, "image"),
        ({"image": "uvx://"}, "image"),
        ({"image": "npx://"}, "image"),
        ({"image": "uvx://--from=evil"}, "image"),
        ({"image": "uvx://a", "command": ("b",)}, "command"),
        ({"command": ()}, "command"),
        ({"command": ("bin/server",)}, "command[0]"),
        ({"command": ("./server",)}, "command[0]"),
        ({"command": ("~/server",)}, "command[0]"),
        ({"transport": "inspector"}, "transport"),
        ({"transport": "stdio", "proxy_mode": "sse"}, "proxy_mode"),
        ({"isolate_network": True}, "isolate_network"),
        ({"allow_docker_gateway": True}, "allow_docker_gateway"),
        ({"volumes": ("/a:/b",)}, "volumes"),
        ({"publish": ("80:80",)}, "publish"),
        ({"memory": "1g"}, "memory"),
        ({"cpus": "0.5"}, "cpus"),
        ({"pids": 5}, "pids"),
        ({"user": "1000"}, "user"),
        ({"pull": "always"}, "pull"),
        ({"env_file_dir": "/a"}, "env_file_dir"),
        ({"permission_profile_name_or_path": "/a/profile.json"}, "permission_profile_name_or_path"),
        ({"k8s_pod_template_patch": "{}"}, "k8s_pod_template_patch"),
        ({"permission_profile": profile(privileged=True)}, "permission_profile.privileged"),
        ({"permission_profile": profile(read=("/a",))}, "permission_profile.read"),
        ({"permission_profile": profile(write=("/a",))}, "permission_profile.write"),
        ({"permission_profile": PermissionProfile()}, "permission_profile.network.outbound"),
        (
            {"permission_profile": profile(network=NetworkPermissions(outbound=OutboundPermissions()))},
            "permission_profile.network.outbound",
        ),
        (
            {"permission_profile": profile(network=NetworkPermissions(mode="none", outbound=ALLOW_ALL))},
            "permission_profile.network.mode",
        ),
        (
            {
                "permission_profile": profile(
                    network=NetworkPermissions(outbound=ALLOW_ALL, inbound=InboundPermissions(allow_host=("h",)))
                )
            },
            "permission_profile.network.inbound.allow_host",
        ),
        ({"permission_profile_name_or_path": "none"}, "permission_profile_name_or_path.network.outbound"),
        ({"backend_replicas": 33}, "backend_replicas"),
        ({"backend_replicas": 2, "transport": "streamable-http", "target_port": 9000}, "target_port"),
        ({"backend_replicas": -1}, "backend_replicas"),
        ({"scaling_config": ScalingConfig(backend_replicas=33)}, "scaling_config.backend_replicas"),
        ({"runtime_config": BuildConfig(builder_image="x")}, "runtime_config.builder_image"),
        ({"runtime_config": BuildConfig(additional_packages=["x"])}, "runtime_config.additional_packages"),
        ({"image": "npx://a", "runtime_config": BuildConfig(build_with=["x"])}, "runtime_config.build_with"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_processes_cannot_do_is_refused_by_key(fields, path):
    assert paths(**fields) == [path]


def test_every_refused_key_is_listed_at_once():
    config = RunConfig(
        name="a",
        image="ghcr.io/acme/time:1",
        isolate_network=True,
        memory="1g",
        permission_profile=PermissionProfile(privileged=True, read=("/a",)),
        backend_replicas=33,
    )
    assert [problem.path for problem in refusals(config)] == [
        "image",
        "isolate_network",
        "memory",
        "permission_profile.privileged",
        "permission_profile.read",
        "permission_profile.network.outbound",
        "backend_replicas",
    ]


def test_what_needs_an_engine_says_which_to_install():
    config = RunConfig(name="a", image="ghcr.io/acme/time:1", isolate_network=True, memory="1g", volumes=("/a:/b",))
    assert all("Docker or Podman" in problem.message for problem in refusals(config))
