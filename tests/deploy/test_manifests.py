"""What `deploy/` would put on a cluster: true to Kubernetes' schemas, and its parts fit together."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.settings import settings_from
from resources.deployments import deployment
from tests.deploy.rendering import render
from tests.deploy.schemas import problems

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
PLACES = ["base", "overlays/gpu", "overlays/keda"]
MODELS = {
    "Namespace": "V1Namespace", "ServiceAccount": "V1ServiceAccount", "Role": "V1Role", "RoleBinding": "V1RoleBinding",
    "ConfigMap": "V1ConfigMap", "Deployment": "V1Deployment", "Service": "V1Service",
    "PodDisruptionBudget": "V1PodDisruptionBudget", "NetworkPolicy": "V1NetworkPolicy",
}  # fmt: skip
KEDA = {"ScaledObject", "TriggerAuthentication"}
SECRETS = {"aios-secrets"}  # the platform engineer's own (docs/kubernetes.md)


@pytest.fixture(params=PLACES)
def objects(request):
    return render(DEPLOY / request.param)


@pytest.fixture
def base():
    return render(DEPLOY / "base")


def of(objects, kind):
    return {name: one for (found, name), one in objects.items() if found == kind}


def pods(objects):
    return {name: one["spec"]["template"] for name, one in of(objects, "Deployment").items()}


def containers(pod):
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]


def test_every_object_is_what_its_schema_says(objects):
    assert {kind for kind, _ in objects} <= MODELS.keys() | KEDA
    found = {key: problems(one, MODELS[key[0]]) for key, one in objects.items() if key[0] not in KEDA}
    assert {key: wrong for key, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("spec", "replicaCount"), 1, "no such field"),
        (("spec", "replicas"), "two", "is no int"),
        (("spec", "selector"), None, "must not be `None`"),
        (("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), "http", "is no int"),
        (("spec", "template", "spec", "containers", 0, "resources", "limits", "memory"), "3 gigs", "3 gigs"),
    ],
)
def test_a_wrong_object_would_be_found(base, path, value, complaint):
    one = base["Deployment", "aios-gateway"]
    inside = one
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = value
    assert re.search(complaint, str(problems(one, "V1Deployment")))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("place", PLACES)
def test_kustomize_itself_renders_the_same(place):
    done = subprocess.run(["kubectl", "kustomize", DEPLOY / place], capture_output=True, text=True, check=True)
    theirs = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}
    assert theirs == render(DEPLOY / place)


def test_labels_ports_accounts_and_maps_that_are_named_are_there(objects):
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    for name, one in of(objects, "Deployment").items():
        assert one["spec"]["selector"]["matchLabels"].items() <= labels[name].items()
    ports = {p["name"] for pod in pods(objects).values() for c in containers(pod) for p in c.get("ports", ())}
    for service in of(objects, "Service").values():
        assert any(service["spec"]["selector"].items() <= found.items() for found in labels.values())
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        for one in of(objects, kind).values():
            chosen = (one["spec"].get("podSelector") or one["spec"].get("selector") or {}).get("matchLabels", {})
            assert any(chosen.items() <= found.items() for found in labels.values())
    accounts, maps = of(objects, "ServiceAccount"), of(objects, "ConfigMap")
    for name, pod in pods(objects).items():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert pod["spec"]["serviceAccountName"] in accounts, name
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= maps.keys()
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys(), name
            sources = [source for found in container["envFrom"] for source in found.items()]
            assert {s["name"] for kind, s in sources if kind == "configMapRef"} <= maps.keys()
            assert {s["name"] for kind, s in sources if kind == "secretRef"} <= SECRETS


def test_policies_let_in_what_services_serve(base):
    open_ports = {
        port["port"]
        for policy in of(base, "NetworkPolicy").values()
        for rule in policy["spec"].get("ingress", ())
        for port in rule["ports"]
    }
    assert open_ports == {port["port"] for service in of(base, "Service").values() for port in service["spec"]["ports"]}


def test_every_pod_keeps_the_restricted_standard_and_has_bounds_and_probes(objects):
    for name, pod in pods(objects).items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            held = container["securityContext"]
            assert held["allowPrivilegeEscalation"] is False
            assert held["capabilities"] == {"drop": ["ALL"]}
            assert held["readOnlyRootFilesystem"] is True
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
        (main,) = pod["spec"]["containers"]
        assert "livenessProbe" in main, name


def test_only_pods_that_start_or_end_runs_may_ask_the_api_server(base):
    accounts = of(base, "ServiceAccount")
    assert accounts["aios"]["automountServiceAccountToken"] is False
    (binding,) = of(base, "RoleBinding").values()
    assert [subject["name"] for subject in binding["subjects"]] == ["aios-run"]
    assert binding["roleRef"]["name"] in of(base, "Role")
    using = {name for name, pod in pods(base).items() if pod["spec"]["serviceAccountName"] == "aios-run"}
    assert using == {"aios-daemon", "aios-webserver"}


def test_every_variable_is_one_that_the_code_reads(objects):
    folders = ("resources", "gateway", "cli", "aios_assets", "sensors")
    code = "\n".join(file.read_text() for folder in folders for file in (PROJECT / folder).rglob("*.py"))
    instance = (DEPLOY / "base" / "dagster.yaml").read_text()
    known = set(re.findall(r"\bAIOS_[A-Z0-9_]+", code + instance)) | {"DAGSTER_HOME", "DAGSTER_PG_URL"}
    scoring = yaml.safe_load(of(objects, "ConfigMap")["aios-scoring-pod"]["data"]["scoring-pod.yaml"])
    told = set(of(objects, "ConfigMap")["aios-environment"]["data"])
    told |= {v["name"] for pod in pods(objects).values() for c in containers(pod) for v in c.get("env", ())}
    told |= {variable["name"] for variable in scoring["container_config"].get("env", ())}
    assert told - known == set()
    # what the instance takes from the environment is set there, or a secret
    assert set(re.findall(r"env: ([A-Z_]+)", instance)) - told == {"DAGSTER_PG_URL"}


def test_the_environment_makes_a_deployment_with_the_scoring_pod_where_it_says(base):
    told = of(base, "ConfigMap")["aios-environment"]["data"]
    found = deployment(told)
    assert (found.name, found.executor, found.days_per_run) == ("production", "kubernetes", 7)
    mounts = {m["mountPath"] for m in containers(pods(base)["aios-code-location"])[0]["volumeMounts"]}
    assert str(found.scoring_pod.parent) in mounts


def test_the_gateway_serves_its_probes(base, database):
    (gateway,) = pods(base)["aios-gateway"]["spec"]["containers"]
    settings = settings_from({"AIOS_SECRET_KEY": "k" * 40, "AIOS_DATABASE_URL": database.url})
    client = TestClient(create_app(settings))
    asked = {gateway[probe]["httpGet"]["path"]: None for probe in gateway if probe.endswith("Probe")}
    assert {path: client.get(path).status_code in (200, 503) for path in asked} == dict.fromkeys(asked, True)


def test_the_instance_is_one_that_dagster_takes(base, monkeypatch, tmp_path):
    data = of(base, "ConfigMap")["aios-dagster"]["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    for name, value in {
        "AIOS_IMAGE": "aios:latest",
        "AIOS_DAGSTER_DIR": str(tmp_path),
        "DAGSTER_PG_URL": "postgresql://x",
    }.items():
        monkeypatch.setenv(name, value)
    ref = InstanceRef.from_dir(str(tmp_path))  # raises for unknown sections and for wrong values in them
    assert isinstance(ref.compute_log_manager, NoOpComputeLogManager)
    assert ref.local_artifact_storage.base_dir == str(tmp_path)
    launcher = yaml.safe_load(data["dagster.yaml"])["run_launcher"]["config"]
    assert launcher["service_account_name"] in of(base, "ServiceAccount")
    assert set(launcher["env_config_maps"]) <= of(base, "ConfigMap").keys()
    assert set(launcher["env_secrets"]) == SECRETS
    (server,) = yaml.safe_load(data["workspace.yaml"])["load_from"]
    service = of(base, "Service")[server["grpc_server"]["host"]]
    assert server["grpc_server"]["port"] in {port["port"] for port in service["spec"]["ports"]}


def test_pods_of_runs_take_the_image_of_everything_else(base):
    images = {container["image"] for pod in pods(base).values() for container in containers(pod)}
    assert images == {of(base, "ConfigMap")["aios-environment"]["data"]["AIOS_IMAGE"]}


def test_the_scaler_asks_a_question_that_the_database_answers(database):
    objects = render(DEPLOY / "overlays" / "keda")
    (scaled,) = of(objects, "ScaledObject").values()
    assert scaled["spec"]["scaleTargetRef"]["name"] in of(objects, "Deployment")
    assert "replicas" not in objects["Deployment", scaled["spec"]["scaleTargetRef"]["name"]]["spec"]
    asking = {trigger["type"]: trigger for trigger in scaled["spec"]["triggers"]}
    assert asking["postgresql"]["authenticationRef"]["name"] in of(objects, "TriggerAuthentication")
    with database.connection() as connection:
        connection.execute("reset search_path")  # KEDA knows nothing of ours
        (waiting,) = connection.execute(asking["postgresql"]["metadata"]["query"]).fetchone()
    assert waiting == 0


def test_only_the_gpu_overlay_names_a_gpu():
    assert "nvidia" not in str(render(DEPLOY / "base"))
    assert "nvidia" not in str(render(DEPLOY / "overlays" / "keda"))
    gpu = render(DEPLOY / "overlays" / "gpu")
    assert {key for key, one in gpu.items() if "nvidia" in str(one)} == {("ConfigMap", "aios-scoring-pod")}


def test_images_copy_the_whole_project_install_by_hash_and_run_as_nobody_special():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = {
        words[1]
        for line in text.splitlines()
        if (words := line.split()) and words[0] == "COPY" and "--from" not in line
    }
    shipped = set(
        tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
            "packages"
        ]
    )
    assert shipped <= copied
    sources = {
        word
        for line in text.splitlines()
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert [source for source in sources if not (PROJECT / source).exists()] == []
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == sent
    installs = re.findall(r"pip install (.*)", text)
    assert installs
    assert all("--require-hashes" in install and "--no-deps" in install for install in installs)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE)[0] == "python:${PYTHON}-slim"
    stages = re.findall(r"^FROM (\S+) AS (\S+)", text, re.MULTILINE)
    assert {("runtime", "cpu"), ("runtime", "cuda")} <= set(stages)
    uid = re.search(r"^USER (\d+)", text, re.MULTILINE)[1]
    assert int(uid) == pods(render(DEPLOY / "base"))["aios-gateway"]["spec"]["securityContext"]["runAsUser"]


def test_cudas_libraries_are_locked_for_the_runtime_that_is_locked():
    """One onnxruntime-gpu, and the CUDA that it was built for."""
    import onnxruntime

    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (DEPLOY / "cuda.lock").read_text(), re.MULTILINE))
    assert all(name.startswith("nvidia-") for name in pins)
    major = onnxruntime.cuda_version.split(".")[0] if onnxruntime.cuda_version else "13"
    assert pins["nvidia-cuda-runtime"].split(".")[0] == pins["nvidia-cublas"].split(".")[0] == major
    assert f"nvidia-cudnn-cu{major}" in pins
