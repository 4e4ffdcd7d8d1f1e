"""A job as an automation's scoring job is on Kubernetes, small enough to import in a pod's process: one step scores, one does not."""

import dagster as dg

from aios_assets import pods
from resources.deployments import deployment


@dg.op
def landing() -> None:
    pass


def scoring_job() -> dg.JobDefinition:
    @dg.op(tags=pods.scoring_tags())
    def scores(context: dg.OpExecutionContext) -> None:
        context.add_output_metadata({"accelerator": deployment().accelerator})

    @dg.job(executor_def=pods.executor())
    def score() -> None:
        landing()
        scores()

    return score
