"""The laws of the compose files: one way in, one holder of the model's key, no floating image."""

import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from app.config import ApiSettings, MaintenanceSettings, SharedSettings, WorkerSettings
from tests.support.containers import (
    COMPOSE_FILES,
    DEV_CONTAINER,
    DEVELOPMENT,
    PRODUCTION,
    ROOT,
    compose,
    example,
    services,
    variables,
)

PROCESSES: dict[str, type[SharedSettings]] = {
    "api": ApiSettings,
    "worker": WorkerSettings,
    "maintenance": MaintenanceSettings,
}
OWN_DEFAULTS = {
    "STORAGE_URL": "a volume",
    "LOG_FORMAT": "a person reads along in development",
    "AUTH": "off in development, where only this machine reaches the port",
    "TRUSTED_PROXIES": "nginx",
}
EXACT_VERSION = re.compile(r":v?\d+\.\d+\.\d+[\w.-]*$")
BUILT_HERE = re.compile(r"^full-rag-(api|worker|dev):local$")


def seconds(text: str) -> float:
    assert re.fullmatch(r"\d+s", text), text
    return float(text[:-1])


def published(name: str) -> dict[str, list[str]]:
    return {service: body["ports"] for service, body in services(name).items() if "ports" in body}


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_every_image_is_named_by_exact_version_or_built_here(name: str) -> None:
    for service, body in services(name).items():
        if "image" not in body:
            assert "build" in body, service
        elif BUILT_HERE.match(body["image"]):
            assert body["build"]["target"] == body["image"].split(":")[0].removeprefix("full-rag-")
        else:
            assert EXACT_VERSION.search(body["image"]), f"{service}: {body['image']}"


def test_all_files_run_the_same_stores() -> None:
    for store in ("mongo", "valkey"):
        assert len({services(name)[store]["image"] for name in COMPOSE_FILES}) == 1


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_the_file_has_no_key_that_docker_compose_1_refuses(name: str) -> None:
    known = {"services", "volumes", "networks"}
    assert {key for key in compose(name) if not key.startswith("x-")} <= known


def test_production_publishes_nginx_and_nothing_else_and_asks_every_caller_for_a_key() -> None:
    always = {name for name, body in services(PRODUCTION).items() if "profiles" not in body}
    ports = published(PRODUCTION)
    assert {name: ports[name] for name in ports.keys() & always} == {"nginx": ["0.0.0.0:8001:8001"]}
    environment = services(PRODUCTION)["api"]["environment"]
    assert (environment["ENVIRONMENT"], environment["AUTH"]) == ("production", "required")


def test_instruments_are_asked_for_and_seen_on_this_machine_alone() -> None:
    ports = published(PRODUCTION)
    for name in ("prometheus", "grafana"):
        assert services(PRODUCTION)[name]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in ports[name])
    environment = services(PRODUCTION)["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/run/full-rag/")
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_development_publishes_the_api_on_this_machine_and_nothing_else() -> None:
    assert published(DEVELOPMENT) == {"api": ["127.0.0.1:8001:8001"]}
    assert published(DEV_CONTAINER) == {}


@pytest.mark.parametrize("name", [DEVELOPMENT, PRODUCTION])
def test_the_model_key_is_given_to_the_worker_alone(name: str) -> None:
    holders = {service for service, body in services(name).items() if "OPENAI_API_KEY" in str(body)}
    assert holders == {"worker"}
    assert not any("env_file" in body for body in services(name).values()), "would hand on all of .env"


@pytest.mark.parametrize("name", [DEVELOPMENT, PRODUCTION])
@pytest.mark.parametrize("process", PROCESSES)
def test_every_setting_of_a_process_reaches_its_container(name: str, process: str) -> None:
    given = set(services(name)[process]["environment"])
    given |= {variable.removesuffix("_FILE") for variable in given}
    wanted = {field.upper() for field in PROCESSES[process].model_fields}
    assert wanted - given == set(), f"add them to `{process}` in {name}"


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_every_variable_of_the_file_is_in_the_example(name: str) -> None:
    assert variables(name) - set(example()) == set()


def test_defaults_of_the_compose_files_are_those_of_the_example() -> None:
    for name in COMPOSE_FILES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for variable, default in re.findall(r"\$\{([A-Z][A-Z0-9_]*):-([^}]*)\}", text):
            if variable not in OWN_DEFAULTS:
                assert example()[variable][1] == default, f"{name}: {variable}"


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_whatever_is_waited_for_has_a_health_check(name: str) -> None:
    for body in services(name).values():
        waits: dict[str, Any] = body.get("depends_on", {})
        for service, how in waits.items():
            if how["condition"] == "service_healthy":
                assert "test" in services(name)[service]["healthcheck"], service


def test_in_production_everything_that_stays_up_is_checked_limited_and_rotated() -> None:
    checked_by_image = {"worker"}
    for service, body in services(PRODUCTION).items():
        assert "mem_limit" in body, service
        assert body["logging"]["options"]["max-size"], service
        assert body["cap_drop"] == ["ALL"], service
        assert body["security_opt"] == ["no-new-privileges:true"], service
        if service != "secrets":
            assert "test" in body.get("healthcheck", {}) or service in checked_by_image, service
            assert body["restart"] == "unless-stopped", service


def test_in_production_nobody_is_root_but_who_makes_the_secrets() -> None:
    for service, body in services(PRODUCTION).items():
        user = body.get("user", "of the image")
        assert user.startswith("0") == (service == "secrets"), service
        if "build" not in body:
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), service
        writes_its_own_root = {"mongo"}  # its image's start script does
        assert body.get("read_only", False) == (service not in writes_its_own_root), service
    maker = services(PRODUCTION)["secrets"]
    assert (maker["cap_add"], maker["network_mode"]) == (["CHOWN"], "none")


def test_no_password_is_written_down_and_each_service_sees_only_its_own() -> None:
    holders: dict[str, set[str]] = {}
    for service, body in services(PRODUCTION).items():
        for volume in body.get("volumes", []):
            if volume.startswith("secrets-"):
                holders.setdefault(volume.split(":")[0], set()).add(service)
                assert volume.endswith(":ro") or service == "secrets", f"{service}: {volume}"
    assert holders == {
        "secrets-app": {"secrets", *PROCESSES},
        "secrets-mongo": {"secrets", "mongo"},
        "secrets-valkey": {"secrets", "valkey"},
        "secrets-grafana": {"secrets", "grafana"},
    }
    text = (ROOT / PRODUCTION).read_text(encoding="utf-8")
    assert not re.search(r"PASSWORD(?!__?FILE)\w*:|requirepass|://[^/\s]*:[^/\s]*@", text)


def test_the_stores_are_on_a_network_without_a_way_out() -> None:
    assert compose(PRODUCTION)["networks"]["back"] == {"internal": True}
    for store in ("mongo", "valkey"):
        assert services(PRODUCTION)[store]["networks"] == ["back"]
    assert set(services(PRODUCTION)["nginx"]["networks"]) == {"front"}


def test_the_api_believes_nginx_and_nobody_else_about_the_clients_address() -> None:
    nginx = services(PRODUCTION)["nginx"]["networks"]["front"]["ipv4_address"]
    assert services(PRODUCTION)["api"]["environment"]["TRUSTED_PROXIES"] == nginx
    subnet = compose(PRODUCTION)["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert ip_address(nginx) in ip_network(subnet)
    assert int(nginx.split(".")[3]) > 200, "Docker gives the low addresses to the replicas"


def test_a_container_is_given_longer_to_stop_than_its_process_takes() -> None:
    for name in (DEVELOPMENT, PRODUCTION):
        for process in PROCESSES:
            grace = seconds(services(name)[process]["stop_grace_period"])
            assert grace > WorkerSettings().shutdown_grace_s + 10
            assert grace > ApiSettings().shutdown_grace_s + 10


def test_api_and_worker_have_replicas() -> None:
    for service in ("api", "worker"):
        body = services(PRODUCTION)[service]
        assert int(body["deploy"]["replicas"]) >= 2
        assert "container_name" not in body, "a fixed name allows one container only"


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_every_mounted_file_is_there(name: str) -> None:
    for body in services(name).values():
        for volume in body.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert ((ROOT / name).parent / source).exists(), volume


def commands() -> list[list[str]]:
    """docker-compose 1.29 or v2, and `docker compose`, whichever are on the PATH."""
    found = [[path] for path in [shutil.which("docker-compose")] if path]
    docker = shutil.which("docker")
    if docker and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        found.append([docker, "compose"])
    return found


@pytest.mark.skipif(not commands(), reason="neither docker-compose nor docker compose is on the PATH")
@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_compose_itself_accepts_the_file(name: str, tmp_path: Path) -> None:
    for command in commands():
        done = subprocess.run(
            [*command, "-f", str(ROOT / name), "config", "-q"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
