"""Which steps there are, what each needs, and which stages they say something about.

What belongs here: names, dependencies and the choice of what has to run. What does not: running (`command.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One process. `module` has a `run(workspace)`; `needs` are the steps whose results it works on."""

    name: str
    module: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of the platform: the step that gives its figures, and others that look at it with other inputs.

    `memory` is the step whose peak is the stage's, where that is another one.
    """

    name: str
    step: str
    memory: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.step, *self.inputs.values())))


def _step(name: str, *needs: str) -> Step:
    return Step(name=name, module=f"benchmarks.steps.{name}", needs=needs)


# in the order they run
STEPS = (
    _step("files"),
    _step("landing", DATABASE, "files"),
    _step("landing_csv", DATABASE, "files"),
    _step("canonical", "landing"),
    _step("features", "canonical"),
    _step("training", "canonical"),
    _step("scoring_stage", "features", "training"),
    _step("scoring_sandbox"),
    _step("scoring_banking77"),
    _step("decisions", "scoring_stage"),
    _step("drift_stage", "scoring_stage"),
    _step("drift_published"),
)

STAGES = (
    Stage(name="landing", step="landing", inputs={"parquet": "landing", "csv": "landing_csv"}),
    Stage(name="canonical", step="canonical"),
    Stage(name="features", step="features"),
    Stage(
        name="scoring",
        step="scoring_sandbox",
        # the benchmark that knows the ceiling also fits a model; this process does nothing but score
        memory="scoring_stage",
        inputs={"sandbox": "scoring_sandbox", "banking77": "scoring_banking77", "stage": "scoring_stage"},
    ),
    Stage(name="decisions", step="decisions"),
    Stage(name="drift", step="drift_stage", inputs={"stage": "drift_stage", "columns": "drift_published"}),
)


def chosen(names: Iterable[str], stages: Sequence[Stage] = STAGES) -> list[Stage]:
    """The stages of these names, in the order of the data. Raises ValueError for a name that is none."""
    wanted, known = list(names), {stage.name for stage in stages}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(
            f"no stage is called {', '.join(map(repr, unknown))}; there are: {', '.join(s.name for s in stages)}"
        )
    return [stage for stage in stages if not wanted or stage.name in wanted]


def required(stages: Iterable[Stage], steps: Sequence[Step] = STEPS) -> list[Step]:
    """The steps of these stages and all that they need, in the order they run."""
    known, wanted = {step.name: step for step in steps}, set[str]()
    waiting = [name for stage in stages for name in stage.steps]
    while waiting:
        name = waiting.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            waiting += known[name].needs
    return [step for step in steps if step.name in wanted]


def needs_database(steps: Iterable[Step]) -> bool:
    return any(DATABASE in step.needs for step in steps)
