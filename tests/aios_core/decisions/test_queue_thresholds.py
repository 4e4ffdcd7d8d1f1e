"""Thresholds of single queues: they decide, stand in the record, and come back from it."""

import json
from dataclasses import replace

from aios_core.decisions.decide import decide
from aios_core.decisions.record import parse, recorded_thresholds
from aios_core.decisions.replay import replay
from aios_core.decisions.thresholds import Thresholds
from aios_core.explanation.settled import headline
from tests.aios_core.decisions.making import agree, features, rules, score, scores, ticket

SHARED = Thresholds(automate=0.9, draft=0.6)
OWN = replace(
    SHARED, queues={"billing": Thresholds(automate=0.97, draft=0.8), "fraud": Thresholds(automate=None, draft=None)}
)
SURE = {"billing": [0.95, 0.03, 0.02], "fraud": [0.01, 0.98, 0.01], "outage": [0.02, 0.03, 0.95]}


def decided(thresholds: Thresholds):
    rows = [ticket(n) for n in range(3)]
    given = scores([score(row, p) for row, p in zip(rows, SURE.values(), strict=True)])
    return decide(features(rows), given, rules=rules(thresholds=thresholds), policy=agree)


def test_a_queue_with_thresholds_of_its_own_is_decided_by_them_and_the_others_by_the_shared_ones() -> None:
    assert [d.verdict for d in decided(SHARED)] == ["automate", "automate", "automate"]
    made = decided(OWN)
    assert [(d.queue, d.verdict) for d in made] == [("billing", "draft"), ("fraud", "review"), ("outage", "automate")]
    assert "97.0% needed to automate" in made[0].reason
    assert "95.0% sure of billing, below the 97.0% needed to automate" in headline(parse(made[0].record))


def test_a_record_holds_its_own_queues_thresholds_alone_and_replays_byte_for_byte() -> None:
    for made in decided(OWN):
        content = parse(made.record)
        assert set(content["thresholds"].get("queues", {})) == {made.queue} & {"billing", "fraud"}
        assert recorded_thresholds(content).of(made.queue) == replace(OWN.of(made.queue), queues=recorded_thresholds(content).of(made.queue).queues)  # fmt: skip
        assert replay(made.record, score=None, policy=agree).identical


def test_without_any_the_record_has_the_very_bytes_that_it_had_before_there_were_any() -> None:
    for made in decided(SHARED):
        thresholds = json.loads(made.record)["thresholds"]
        assert thresholds == {"automate": 0.9, "automate_accuracy": None, "draft": 0.6, "draft_accuracy": None}
    other = replace(SHARED, queues={"billing": Thresholds(automate=0.97, draft=0.8)})
    assert [d.record for d in decided(other)][1:] == [d.record for d in decided(SHARED)][1:]
