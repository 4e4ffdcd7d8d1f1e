"""Explanations fetched for real: what they say, what they keep to themselves, and what they do where something is gone."""

import pytest

from aios_core.decisions.model import UnknownDecision
from aios_core.explanation.version import EXPLANATION_FILE, read_explanation, with_explanation
from aios_core.lifecycle.evaluation import EVALUATION_FILE, read_evaluation
from aios_core.training.snapshot import snapshot_from_bytes
from resources.comparisons import snapshot_path
from resources.explanations import EXCERPT, Explanations, excerpt
from resources.registry import UnknownModel, version_path
from resources.runtime import open_session
from tests.explaining import desk
from tests.resources.gatekeeping import version_of


@pytest.fixture
def made(database, tmp_path):
    return desk(database, tmp_path)


def test_a_decision_is_told_with_its_words_its_neighbours_and_what_settled_it(made):
    found = made.explanations.decision(made.decision_id)
    assert found.contributions.method == "exact"
    assert {"invoice", "refund"} & {t.term for t in found.contributions.terms}
    assert len(found.neighbours) == 3
    assert [shown.neighbour.label for shown in found.neighbours] == ["billing"] * 3
    assert sum(step.settled for step in found.steps) == 1
    assert found.headline.endswith(f"by rule `{next(s.rule for s in found.steps if s.settled)}`")
    assert "new" not in [shown.neighbour.ticket_id for shown in found.neighbours]


def test_neighbours_are_masked_and_an_erased_one_has_no_text(made, database):
    found = made.explanations.decision(made.decision_id)
    assert all("[e-mail]" in shown.text and "@" not in shown.text for shown in found.neighbours)
    gone = found.neighbours[0].neighbour.ticket_id
    with database.connection() as connection:
        connection.execute("delete from tickets where ticket_id = %s", (gone,))
    again = {shown.neighbour.ticket_id: shown.text for shown in made.explanations.decision(made.decision_id).neighbours}
    assert again[gone] is None
    assert sum(text is not None for text in again.values()) == 2


def test_words_that_were_not_recorded_are_found_now_and_are_the_same(database, tmp_path):
    made = desk(database, tmp_path, terms=False)
    found = made.explanations.decision(made.decision_id).contributions
    assert found.method == "exact"
    assert found.terms[0].weight >= found.terms[-1].weight > 0


def test_where_the_training_set_is_gone_the_rest_is_still_told(made):
    row = made.triage.registry.get("triage", 1)
    made.triage.lake.delete(snapshot_path("triage", row.snapshot_id))
    found = made.explanations.decision(made.decision_id)
    assert found.neighbours == ()
    assert row.snapshot_id in found.missing
    assert found.contributions.terms
    assert made.explanations.version("triage", 1).importances == ()


def test_where_the_version_is_damaged_what_was_recorded_is_still_told(made):
    made.triage.lake.put(f"{version_path('triage', 1)}/manifest.json", b"{}")
    found = made.explanations.decision(made.decision_id)
    assert found.contributions.terms
    assert found.contributions.method == "recorded"
    assert "checksum" in found.missing


def test_a_damaged_version_that_left_no_words_says_what_is_wrong_with_it(database, tmp_path):
    made = desk(database, tmp_path, terms=False)
    made.triage.lake.put(f"{version_path('triage', 1)}/manifest.json", b"{}")
    found = Explanations(database, lake=made.triage.lake).decision(made.decision_id).contributions
    assert (found.method, found.terms) == ("none", ())
    assert "checksum" in found.told


def test_a_version_from_before_explanations_shows_what_its_files_tell(made):
    row = made.triage.registry.get("triage", 1)
    assert EXPLANATION_FILE not in row.files
    found = made.explanations.version("triage", 1)
    table = read_evaluation(made.triage.registry.file(name="triage", version=1, path=EVALUATION_FILE))
    assert found.rows == table.num_rows
    assert found.importances[0].method == "exact"


def test_what_training_wrote_into_a_version_is_what_is_told(made):
    registry, (files, snapshot_id, snapshot) = made.triage.registry, version_of(0.0, 600)
    files = with_explanation(files, snapshot_from_bytes(snapshot), open_session, tier="plan")
    row = registry.get("triage", 1)
    named = {"name": "triage", "automation": "triage", "kind": row.kind, "snapshot_id": snapshot_id}
    version = registry.register(files=files, classes=row.classes, metrics=row.metrics, card=row.card, **named)
    assert version == 2
    found = made.explanations.version("triage", 2)
    assert found == read_explanation(files[EXPLANATION_FILE])
    assert "tier" in {segment.dimension for segment in found.segments}


def test_a_cell_is_the_tickets_behind_its_number_and_texts_only_where_asked(made):
    explanations = made.explanations
    confusion = explanations.version("triage", 1).confusion
    for (label, predicted), rows in confusion.counts.items():
        found = explanations.cell("triage", 1, label=label, predicted=predicted, with_text=False)
        assert len(found) == min(rows, 200)
        assert all((row.label, row.queue, row.text) == (label, predicted, None) for row in found)
        assert [row.confidence for row in found] == sorted((row.confidence for row in found), reverse=True)
    shown = explanations.cell("triage", 1, label="billing", predicted="billing", with_text=True, limit=5)
    assert all("[e-mail]" in row.text for row in shown)
    assert explanations.cell("triage", 1, label="nothing", predicted="billing", with_text=True) == []


def test_what_is_not_there_is_said(made):
    with pytest.raises(UnknownDecision):
        made.explanations.decision("nonsense")
    with pytest.raises(UnknownModel):
        made.explanations.version("triage", 9)


def test_an_excerpt_is_one_masked_line():
    assert excerpt("Hi", "call\n +49 170 1234567  now") == "Hi · call [number] now"
    assert len(excerpt(None, "word " * 200)) == EXCERPT
