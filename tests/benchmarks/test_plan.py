import pytest

from benchmarks.plan import DATABASE, STAGES, STEPS, chosen, needs_database, required


def names(*stages):
    return [step.name for step in required(chosen(stages))]


def test_every_step_comes_after_those_it_needs():
    before = {DATABASE}
    for step in STEPS:
        assert set(step.needs) <= before, step.name
        before.add(step.name)


def test_every_stage_has_its_steps_in_the_plan():
    assert {name for stage in STAGES for name in stage.steps} <= {step.name for step in STEPS}


def test_without_a_choice_all_stages_are_measured():
    assert chosen([]) == list(STAGES)


def test_a_stage_brings_all_that_it_needs_and_no_more():
    assert names("landing") == ["files", "landing", "landing_csv"]
    assert names("features") == ["files", "landing", "canonical", "features"]
    assert {"training", "scoring_stage", "decisions"} <= set(names("decisions"))
    assert "scoring_banking77" not in names("decisions")


def test_stages_are_measured_in_the_order_of_the_data_whatever_the_order_asked_for():
    assert [stage.name for stage in chosen(["drift", "landing"])] == ["landing", "drift"]


def test_the_database_is_started_only_for_steps_that_use_it():
    assert needs_database(required(chosen(["landing"])))
    assert not needs_database([step for step in STEPS if step.name == "scoring_sandbox"])


def test_an_unknown_stage_is_named_with_those_there_are():
    with pytest.raises(
        ValueError, match="'flying'; there are: landing, canonical, features, scoring, decisions, drift"
    ):
        chosen(["flying"])
