from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.world.queues import INDEX, QUEUES, SHARES
from sandbox.world.spec import DAY, Drift, SpecError, WorldSpec, parse_drift
from sandbox.world.tickets import AMBIGUOUS, MIXED, NOVA, VAGUE
from sandbox.world.world import World

SPEC = WorldSpec(seed=3, tickets=300, new_days=2, history=900, history_days=12)


def everything(spec: WorldSpec) -> list[tuple]:
    """Every ticket with all that was drawn of it."""
    world = World(spec)
    rows: list[tuple] = []
    for block in world.past():
        columns = world.columns(block)
        drawn = [getattr(columns, name).tolist() for name in columns.__slots__]
        rows += zip(world.texts(block, columns), *drawn, strict=True)
    return rows


def column(spec: WorldSpec, name: str) -> np.ndarray:
    world = World(spec)
    return np.concatenate([getattr(world.columns(block), name) for block in world.past()])


def test_the_same_spec_gives_the_same_world() -> None:
    assert everything(SPEC) == everything(SPEC)


def test_another_seed_gives_another_world() -> None:
    assert everything(SPEC)[0] != everything(replace(SPEC, seed=4))[0]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    tickets=st.integers(0, 300),
    history=st.integers(0, 300),
    new_days=st.floats(0.01, 5),
    history_days=st.floats(0.01, 40),
)
def test_a_world_has_as_many_tickets_as_asked_for_in_order_and_in_time(
    seed, tickets, history, new_days, history_days
) -> None:
    spec = WorldSpec(seed=seed, tickets=tickets, history=history, new_days=new_days, history_days=history_days)
    world = World(spec)
    blocks = list(world.past())
    created = [world.columns(block).created_at for block in blocks]
    assert sum(len(times) for times in created) == tickets + history
    assert [block.first for block in blocks] == list(np.cumsum([0, *[block.count for block in blocks]])[:-1])
    if created:
        times = np.concatenate(created)
        assert (np.diff(times) >= 0).all()
        assert times[0] >= spec.first_moment - 1e-6
        assert times[-1] < -60


def test_arrivals_follow_the_day_and_the_week() -> None:
    created = column(WorldSpec(history=60_000, tickets=0, history_days=28, new_days=0.01), "created_at")
    hours = np.floor(created / 3600).astype(int) + 3 * 24 + 15
    by_hour = np.bincount(hours % 24, minlength=24)
    by_day = np.bincount(hours // 24 % 7, minlength=7)
    assert by_hour[10] > 8 * by_hour[3]
    assert by_day[0] > 1.8 * by_day[6]


def test_queues_have_about_their_shares() -> None:
    topic = column(WorldSpec(history=40_000, tickets=0), "topic")
    shares = np.bincount(topic, minlength=len(QUEUES)) / len(topic)
    assert np.abs(shares - SHARES).max() < 0.05


def test_what_customers_write_about_leans_on_who_they_are() -> None:
    world = World(WorldSpec(history=20_000, tickets=0))
    plan_change: dict[bool, list[bool]] = {False: [], True: []}
    for block in world.past():
        columns = world.columns(block)
        facts = world.customers.facts(columns.customer.astype(np.intp), columns.created_at)
        for business, topic in zip(facts.segment > 0, columns.topic, strict=True):
            plan_change[bool(business)].append(topic == INDEX["plan_change"])
    assert np.mean(plan_change[True]) > 1.5 * np.mean(plan_change[False])


def test_priority_follows_the_queue() -> None:
    spec = WorldSpec(history=20_000, tickets=0)
    topic, priority = column(spec, "topic"), column(spec, "priority")
    urgent = [(priority[topic == INDEX[name]] == 3).mean() for name in ("fraud", "outage", "plan_change")]
    assert urgent[0] > urgent[1] > urgent[2]


def test_mixed_ambiguous_and_vague_tickets_have_their_shares() -> None:
    style = column(WorldSpec(history=20_000, tickets=0), "style")
    shares = [(style == kind).mean() for kind in (MIXED, AMBIGUOUS, VAGUE)]
    assert shares == pytest.approx([0.12, 0.05, 0.04], abs=0.01)


def test_agents_err_in_about_two_of_a_hundred() -> None:
    spec = WorldSpec(history=20_000, tickets=0)
    assert (column(spec, "first_label") != column(spec, "truth")).mean() == pytest.approx(0.02, abs=0.005)


def test_facts_of_the_crm_say_where_ambiguous_tickets_belong() -> None:
    """A rule that knows only the pair and the customer is right far more often than a coin."""
    world = World(WorldSpec(history=20_000, tickets=0))
    right = []
    for block in world.past():
        columns = world.columns(block)
        facts = world.customers.facts(columns.customer.astype(np.intp), columns.created_at)
        business = (columns.style == AMBIGUOUS) & (columns.pair == 0)  # billing or plan_change, by segment
        expected = np.where(facts.segment > 0, INDEX["plan_change"], INDEX["billing"])
        right += (columns.truth == expected)[business].tolist()
    assert len(right) > 80
    assert np.mean(right) > 0.8


def test_customers_write_in_other_languages_now_and_then() -> None:
    language = column(WorldSpec(history=20_000, tickets=0), "language")
    assert 0.02 < (language > 0).mean() < 0.04
    assert set(language.tolist()) == {0, 1, 2, 3}


def test_texts_are_varied() -> None:
    bodies = [row[0][1] for row in everything(WorldSpec(history=3_000, tickets=0))]
    assert len(set(bodies)) > 0.97 * len(bodies)
    lengths = sorted(len(body) for body in bodies)
    assert lengths[150] < 90
    assert lengths[-150] > 450


def test_a_good_text_classifier_is_good_but_not_perfect() -> None:
    """8,000 older tickets to learn from, 2,000 newer ones to judge: the world's promise to whoever trains on it."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    world = World(WorldSpec())
    texts, labels, truth = [], [], []
    for block in world.past():
        columns = world.columns(block)
        texts += [f"{subject}\n{body}" for subject, body in world.texts(block, columns)]
        labels += columns.first_label.tolist()
        truth += columns.truth.tolist()
    vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True)
    train = vectorizer.fit_transform(texts[:8_000])
    model = LinearSVC(C=0.3).fit(train, labels[:8_000])
    accuracy = (model.predict(vectorizer.transform(texts[8_000:])) == np.array(truth[8_000:])).mean()
    assert 0.88 < accuracy < 0.97


def drifted(kind: str, *, day: float = 6.0) -> WorldSpec:
    return replace(SPEC, history=4_000, drift=(Drift(kind, SPEC.first_moment + day * DAY),))


@pytest.mark.parametrize("kind", ["new_product", "class_shift", "label_rule"])
def test_drift_changes_nothing_before_its_day(kind: str) -> None:
    spec = drifted(kind)
    at = spec.drift_at(kind)
    before = [row for row in everything(replace(spec, drift=())) if row[1] < at]
    assert len(before) > 1_000
    assert [row for row in everything(spec) if row[1] < at] == before


def test_a_new_product_brings_words_unseen_before(words) -> None:
    spec = drifted("new_product")
    at = spec.drift_at("new_product")
    rows = everything(spec)
    known = set().union(*(words(" ".join(row[0])) for row in rows if row[1] < at))
    unseen = [bool({"nova", "constellation", "handover"} & words(" ".join(row[0]))) for row in rows if row[1] >= at]
    assert not {"nova", "constellation"} & known
    assert 0.2 < np.mean(unseen) < 0.4
    assert set(column(spec, "topic")[column(spec, "style") == NOVA].tolist()) == {
        INDEX["activation"],
        INDEX["outage"],
        INDEX["billing"],
    }


def test_a_class_shift_multiplies_outages() -> None:
    spec = drifted("class_shift")
    topic, created = column(spec, "topic"), column(spec, "created_at")
    outage = topic == INDEX["outage"]
    before, after = created < spec.drift_at("class_shift"), created >= spec.drift_at("class_shift")
    assert outage[after].mean() > 2.5 * outage[before].mean()


def test_a_new_labelling_rule_moves_the_truth_and_leaves_every_text_alone() -> None:
    spec = drifted("label_rule")
    plain, ruled = everything(replace(spec, drift=())), everything(spec)
    assert [row[0] for row in plain] == [row[0] for row in ruled]
    names = World(spec).columns(next(World(spec).past())).__slots__
    truth = names.index("truth") + 1
    moved = {
        (QUEUES[old[truth]], QUEUES[new[truth]])
        for old, new in zip(plain, ruled, strict=True)
        if old[truth] != new[truth]
    }
    assert moved == {("porting", "plan_change"), ("billing", "complaint")}


def test_drift_days_count_from_the_first_day_or_back_from_the_start() -> None:
    first = -30 * DAY
    assert parse_drift("class_shift@10", first_moment=first) == Drift("class_shift", -20 * DAY)
    assert parse_drift("label_rule@-2.5", first_moment=first) == Drift("label_rule", -2.5 * DAY)
    assert parse_drift("new_product@0", first_moment=first) == Drift("new_product", first)


@pytest.mark.parametrize("text", ["flood@3", "class_shift", "class_shift@soon", "class_shift@nan", ""])
def test_a_drift_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(SpecError, match="drift"):
        parse_drift(text, first_moment=-DAY)


def test_customers_change_once_and_facts_know_when() -> None:
    customers = World(WorldSpec(tickets=0, history=8_000)).customers
    who = np.flatnonzero(np.isfinite(customers.changed_at))
    at = customers.changed_at[who]
    before, after = customers.facts(who, at - 1), customers.facts(who, at)
    assert (before.churn != after.churn).mean() > 0.9
    assert (before.plan != after.plan).mean() > 0.4
    assert (customers.created_at < WorldSpec().first_moment).all()
