"""Where steps run: in the run's own process, or on Kubernetes each in a pod of its own.

What belongs here: the executor and what the pods of steps that score get; both chosen by the deployment. What does not: how a
backfill fans out (`partitions.py`), the cluster's own side (`deploy/`), and which node of a graph ran where (`resources/placement.py`).
"""

from typing import Any

import dagster as dg
import yaml

from aios_core.errors import ConfigurationError
from resources.deployments import deployment

TAG = "dagster-k8s/config"
PARTS = (
    "container_config",
    "pod_spec_config",
    "pod_template_spec_metadata",
    "job_config",
    "job_metadata",
    "job_spec_config",
)


def executor() -> dg.ExecutorDefinition:
    """The executor of every job of an automation."""
    if deployment().executor == "in_process":
        return dg.in_process_executor
    from dagster_k8s import k8s_job_executor

    return k8s_job_executor


def default_executor() -> dg.ExecutorDefinition | None:
    """The executor of what is started without a job: a backfill, or one asset from the UI. None: Dagster's own."""
    return None if deployment().executor == "in_process" else executor()


def scoring_tags() -> dict[str, Any]:
    """Tags of steps that score: their pod's GPU, node affinity, tolerations and memory. Raises ConfigurationError."""
    file = deployment().scoring_pod
    if file is None:
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"AIOS_SCORING_POD: {file} can't be read as YAML ({error}); mount it, or unset the variable"
        ) from error
    unknown = sorted(set(content) - set(PARTS)) if isinstance(content, dict) else ["no mapping"]
    if unknown:
        raise ConfigurationError(
            f"AIOS_SCORING_POD: {file}: {', '.join(map(str, unknown))} is not known; there are: {', '.join(PARTS)}"
        )
    try:
        _a_pod_of(content)
    except Exception as error:  # the library has no error family for this
        raise ConfigurationError(
            f"AIOS_SCORING_POD: {file} makes no pod ({error}); names and types are those of Kubernetes' Container and PodSpec"
        ) from error
    return {TAG: content}


def _a_pod_of(content: dict[str, Any]) -> None:
    """Build a step's job as the executor will: a wrong field is better found now than when the first step is launched."""
    from dagster_k8s import DagsterK8sJobConfig
    from dagster_k8s.job import UserDefinedDagsterK8sConfig, construct_dagster_k8s_job

    construct_dagster_k8s_job(
        DagsterK8sJobConfig(job_image="aios"),
        args=None,
        job_name="scores",
        user_defined_k8s_config=UserDefinedDagsterK8sConfig.from_dict(content),
    )
