import pyarrow as pa

from aios_core.automation import CrmFeature, Features
from aios_core.features.encoding import CLIP, WEIGHT, CustomerEncoding, fit_encoding

SPEC = Features(customer=(CrmFeature(name="plan", kind="categorical"), CrmFeature(name="spend", kind="numeric")))


def facts(plans, spends):
    return pa.table({"crm_plan": pa.array(plans, pa.string()), "crm_spend": pa.array(spends, pa.float64())})


def named(encoding, table):
    ids, weights = encoding.apply(table)
    return [
        {encoding.terms[i]: round(w / WEIGHT, 6) for i, w in zip(a, b, strict=True)}
        for a, b in zip(ids, weights, strict=True)
    ]


def test_every_row_has_one_entry_a_fact_and_missing_and_unseen_have_their_own():
    encoding = fit_encoding(facts(["basic", "plus", None], [10.0, 30.0, None]), SPEC)
    rows = named(encoding, facts(["plus", "gold", None], [10.0, 20.0, None]))
    assert rows == [
        {"plan=plus": 1.0, "spend": -1.0},
        {"plan unseen": 1.0, "spend": 0.0},
        {"plan missing": 1.0, "spend missing": 1.0},
    ]


def test_an_absurd_number_is_clipped_and_can_not_spoil_the_scale():
    encoding = fit_encoding(facts(["a"] * 3, [1.0, 2.0, 1e300]), SPEC)
    (row,) = named(encoding, facts(["a"], [-1e300]))
    assert abs(row["spend"]) <= CLIP
    assert named(encoding, facts(["a"], [float("inf")]))[0] == {"plan=a": 1.0, "spend missing": 1.0}


def test_a_constant_and_an_empty_column_are_harmless():
    encoding = fit_encoding(facts([None, None], [5.0, 5.0]), SPEC)
    assert named(encoding, facts(["new"], [5.0])) == [{"plan unseen": 1.0, "spend": 0.0}]


def test_the_state_survives_json():
    encoding = fit_encoding(facts(["b", "a", None], [1.5, None, 2.0]), SPEC)
    assert CustomerEncoding.from_json(encoding.to_json()) == encoding


def test_only_the_most_frequent_categories_are_kept():
    plans = [f"p{i:03d}" for i in range(150)] + ["p149"] * 5
    encoding = fit_encoding(facts(plans, [1.0] * len(plans)), SPEC)
    assert len(encoding.facts[0].values) == 100
    assert "p149" in encoding.facts[0].values
