"""What the environment means, and what happens when it says too little."""

from pathlib import Path

import pytest

from aios_core.errors import ConfigurationError
from resources.deployments import PROJECT, deployment, environment, expand


def test_an_empty_environment_is_the_local_deployment_on_embedded_defaults() -> None:
    local = deployment({})
    assert (local.name, local.home, local.database_url) == ("local", PROJECT / ".aios", None)
    assert local.lake_url == str(PROJECT / ".aios" / "lake")
    assert local.automations == ()
    assert local.automation_folders == (PROJECT / "aios_assets" / "defs",)


def test_folders_of_automations_are_a_path_like_list(tmp_path: Path) -> None:
    found = deployment({"AIOS_AUTOMATIONS": f"{tmp_path}/a:{tmp_path}/b:"})
    assert found.automations == (tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("name", ["AIOS_DEPLOYMENT", "AIOS_ACCELERATOR", "AIOS_EXECUTOR"])
def test_a_setting_outside_its_choices_is_named_with_them(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is `moon`; it must be one of .*"):
        deployment({name: "moon"})


def test_a_deployment_survives_its_way_through_another_process_environment(tmp_path: Path) -> None:
    told = {
        "AIOS_HOME": str(tmp_path),
        "AIOS_AUTOMATIONS": str(tmp_path),
        "AIOS_GATEWAY_URL": "http://127.0.0.1:9999/",
        "AIOS_DATABASE_URL": "postgresql://db/aios",
        "AIOS_DEPLOYMENT": "staging",
        "AIOS_ACCELERATOR": "cuda",
        "AIOS_EXECUTOR": "kubernetes",
        "AIOS_SCORING_POD": str(tmp_path / "pod.yaml"),
        "AIOS_DAYS_PER_RUN": "7",
        "AIOS_SHARDS_PER_DAY": "4",
    }
    assert deployment(environment(deployment(told))) == deployment(told)


@pytest.mark.parametrize("name", ["AIOS_DAYS_PER_RUN", "AIOS_SHARDS_PER_DAY"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_count_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is `{value}`; give a whole number"):
        deployment({name: value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${HERE}/x", "there/x"),
        ("${GONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${GONE:-}", ""),
        ("${HERE}${HERE}", "therethere"),
        ("$HERE {HERE}", "$HERE {HERE}"),
        ("${AIOS_ZENDESK_URL}", "http://127.0.0.1:8790"),
        ("${AIOS_ZENDESK_TOKEN}", "sandbox-token"),
    ],
)
def test_variables_are_expanded(text: str, value: str) -> None:
    assert expand(text, {"HERE": "there", "EMPTY": ""}) == value


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"environment variable GONE is not set, and `x\$\{GONE\}` needs it"):
        expand("x${GONE}", {})


def test_the_sandbox_secrets_are_defaults_of_the_local_deployment_only() -> None:
    with pytest.raises(ConfigurationError, match="AIOS_ZENDESK_TOKEN is not set"):
        expand("${AIOS_ZENDESK_TOKEN}", {"AIOS_DEPLOYMENT": "production"})


def test_the_helpdesk_follows_the_sandbox_to_another_port() -> None:
    assert expand("${AIOS_ZENDESK_URL}", {"AIOS_SANDBOX_URL": "http://127.0.0.1:9"}) == "http://127.0.0.1:9"
