"""Runs and steps on Kubernetes, against a stand-in for its API server: what is asked of it, and what becomes of the run."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.reconstruct import reconstructable
from dagster._core.execution.api import create_execution_plan
from dagster._core.execution.context_creation_job import (
    PlanOrchestrationContextManager,
    orchestration_context_event_generator,
)
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepHandlerContext
from dagster._core.launcher import LaunchRunContext
from dagster._core.test_utils import instance_for_test
from dagster._grpc.types import ExecuteStepArgs
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler

from aios_assets import pods
from aios_assets.definitions import build_defs
from aios_core.errors import ConfigurationError
from tests.deploy.cluster import NAMESPACE, cluster
from tests.deploy.schemas import problems
from tests.deploy.scoring_job import scoring_job

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
GPU_POD = DEPLOY / "components" / "gpu" / "scoring-pod.yaml"
SETTINGS = ("AIOS_EXECUTOR", "AIOS_SCORING_POD", "AIOS_DAYS_PER_RUN", "AIOS_SHARDS_PER_DAY")


@pytest.fixture
def kubernetes(monkeypatch):
    """The environment of a deployment on Kubernetes with a GPU for its scoring steps."""
    monkeypatch.setenv("AIOS_EXECUTOR", "kubernetes")
    monkeypatch.setenv("AIOS_SCORING_POD", str(GPU_POD))
    monkeypatch.setenv("AIOS_DAYS_PER_RUN", "7")
    monkeypatch.setenv("AIOS_SHARDS_PER_DAY", "4")
    monkeypatch.setenv("AIOS_IMAGE", "aios:test")


@pytest.fixture
def standing(kubernetes, tmp_path):
    with cluster() as found:
        yield found, found.kubeconfig(tmp_path)


@pytest.fixture
def instance(standing):
    """With the run launcher of `deploy/`, but for where its API server is."""
    _, kubeconfig = standing
    launcher = yaml.safe_load((DEPLOY / "base" / "dagster.yaml").read_text())["run_launcher"]
    launcher["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    with instance_for_test(overrides={"run_launcher": launcher}) as found:
        yield found


@pytest.fixture
def run(instance):
    job = reconstructable(scoring_job)
    return instance.create_run_for_job(job.get_definition(), job_code_origin=job.get_python_origin())


def test_a_run_becomes_a_job_without_a_gpu_and_is_taken_away_again(standing, instance, run):
    found, _ = standing
    instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    (created,) = found.jobs().list_namespaced_job(NAMESPACE).items
    pod = created.spec.template.spec
    assert problems(created.to_dict(), "V1Job", style="python") == []
    assert (pod.containers[0].image, pod.service_account_name) == ("aios:test", "aios-run")
    assert pod.containers[0].args[:3] == ["dagster", "api", "execute_run"]
    assert {source.secret_ref.name for source in pod.containers[0].env_from if source.secret_ref} == {"aios-secrets"}
    assert "nvidia.com/gpu" not in str(pod)
    assert (pod.security_context.run_as_non_root, pod.containers[0].security_context.read_only_root_filesystem) == (
        True,
        True,
    )
    labels = created.spec.template.metadata.labels | {"job-name": created.metadata.name}
    found.pods().create_namespaced_pod(  # as the cluster's job controller would
        NAMESPACE, {"metadata": {"name": f"{created.metadata.name}-x", "labels": labels}, "spec": {"containers": []}}
    )
    assert instance.run_launcher.terminate(run.run_id)
    assert found.pods().list_namespaced_pod(NAMESPACE).items == []
    assert found.jobs().list_namespaced_job(NAMESPACE).items == []


def test_a_job_runs_a_pod_a_step_and_only_the_one_that_scores_gets_the_gpu(standing, instance):
    """The k8s executor as it is, on a node that runs the containers' commands: to the end of the run."""
    found, _ = standing
    with found.node() as ran, dg.execute_job(reconstructable(scoring_job), instance) as result:
        assert result.success
        (told,) = [
            event.step_output_data.metadata["accelerator"].value
            for event in result.all_events
            if event.is_successful_output and event.step_key == "scores"
        ]
    assert told == "cuda"  # the pod's own environment says so, and nobody else's
    pods_of = {job.metadata.labels["dagster/op"]: job.spec.template.spec for job in ran.values()}
    assert set(pods_of) == {"landing", "scores"}
    assert "nvidia.com/gpu" not in str(pods_of["landing"])
    assert pods_of["scores"].containers[0].resources.limits["nvidia.com/gpu"] == "1"


def test_the_pod_of_a_step_that_scores_has_what_the_deployment_declares_and_its_loss_is_noticed(
    standing, instance, run
):
    found, kubeconfig = standing
    handler = K8sStepHandler(
        image=None,
        container_context=K8sContainerContext(),
        load_incluster_config=False,
        kubeconfig_file=str(kubeconfig),
    )
    step = step_context(instance, run, "scores")
    list(handler.launch_step(step))
    (created,) = found.jobs().list_namespaced_job(NAMESPACE).items
    assert problems(created.to_dict(), "V1Job", style="python") == []
    pod, declared = created.spec.template.spec, yaml.safe_load(GPU_POD.read_text())
    assert pod.containers[0].image == "aios:cuda"
    assert {e.name: e.value for e in pod.containers[0].env}["AIOS_ACCELERATOR"] == "cuda"
    assert pod.containers[0].resources.limits == declared["container_config"]["resources"]["limits"]
    assert pod.tolerations[0].key == "nvidia.com/gpu"
    (term,) = pod.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    assert term.match_expressions[0].key == "nvidia.com/gpu.present"
    # what every pod of a run has, this one has too
    assert {mount.mount_path for mount in pod.containers[0].volume_mounts} >= {"/var/lib/aios", "/tmp", "/etc/aios"}
    assert pod.containers[0].security_context.capabilities.drop == ["ALL"]
    found.tell(created.metadata.name, {"active": 1})
    assert handler.check_step_health(step).is_healthy
    found.tell(created.metadata.name, {"active": None, "failed": 1})
    assert not handler.check_step_health(step).is_healthy


def step_context(instance, run, key):
    job = reconstructable(scoring_job)
    plan = create_execution_plan(job, run_config=run.run_config)
    manager = PlanOrchestrationContextManager(
        context_event_generator=orchestration_context_event_generator,
        job=job,
        execution_plan=plan,
        run_config=run.run_config,
        dagster_run=run,
        instance=instance,
    )
    list(manager.prepare_context())
    arguments = ExecuteStepArgs(
        job_origin=job.get_python_origin(),
        run_id=run.run_id,
        step_keys_to_execute=[key],
        instance_ref=instance.get_ref(),
        retry_mode=RetryMode.DISABLED,
    )
    return StepHandlerContext(
        instance=instance,
        plan_context=manager.get_context(),
        steps=[plan.get_step_by_key(key)],
        execute_step_args=arguments,
    )


def test_of_the_real_definitions_only_what_scores_asks_for_a_gpu_however_it_is_started(kubernetes):
    defs = build_defs(folders=[])
    repository = defs.get_repository_def()
    asking = {
        asset.op.name
        for asset in repository.assets_defs_by_key.values()
        if asset.is_executable and pods.TAG in asset.op.tags
    }
    assert {name.split("__")[1] for name in asking} == {"scores", "score_shards", "shadow_scores"}
    # a backfill or a click on an asset runs under the implicit job
    executors = {job.name: job.executor_def.name for job in repository.get_all_jobs()}
    assert "__ASSET_JOB" in executors
    # what only moves an alias or a mode needs no pod beside its run's
    in_process = {name.rpartition("__")[2] for name, executor in executors.items() if executor != "k8s"}
    assert in_process == {"advance", "narrow", "repair", "rollback"}


def test_a_backfill_fans_out_by_days_where_the_deployment_says_so(kubernetes, monkeypatch):
    def ranges():
        graph = build_defs(folders=[]).resolve_asset_graph()
        key = dg.AssetKey(["customer_escalations", "scores"])
        days = graph.get(key).partitions_def.get_partition_keys(current_time=datetime(2026, 3, 1, tzinfo=UTC))[:21]
        requests = build_run_requests_with_backfill_policies(
            asset_partitions={AssetKeyPartitionKey(key, day) for day in days},
            asset_graph=graph,
            dynamic_partitions_store=dg.DagsterInstance.ephemeral(),
        )
        tags = [request.tags for request in requests]
        return days, sorted(
            (tag["dagster/asset_partition_range_start"], tag["dagster/asset_partition_range_end"]) for tag in tags
        )

    days, found = ranges()
    assert found == [(days[0], days[6]), (days[7], days[13]), (days[14], days[20])]
    monkeypatch.delenv("AIOS_DAYS_PER_RUN")
    assert ranges()[1] == [(days[0], days[20])]


def test_without_settings_everything_stays_in_one_process(monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert pods.executor() is dg.in_process_executor
    assert pods.default_executor() is None
    assert pods.scoring_tags() == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("gpus: 1", "gpus is not known"),
        ("- 1", "no mapping"),
        ("a: [", "can't be read"),
        ("container_config: {resourcez: {}}", "makes no pod .*resourcez"),
        ("pod_spec_config: {tolerations: [{kee: gpu}]}", "makes no pod .*kee"),
        (
            "pod_spec_config: {affinity: {node_affinity: {required_during_scheduling_ignored_during_execution: {}}}}",
            "node_selector_terms",
        ),
    ],
)
def test_a_pod_file_that_makes_no_pod_is_refused_when_definitions_load(monkeypatch, tmp_path, content, complaint):
    file = tmp_path / "pod.yaml"
    file.write_text(content)
    monkeypatch.setenv("AIOS_SCORING_POD", str(file))
    with pytest.raises(ConfigurationError, match=f"AIOS_SCORING_POD: .*pod.yaml.*{complaint}"):
        pods.scoring_tags()
