"""What a declaration says of the lifecycle."""

import pytest
from pydantic import ValidationError

from tests.aios_core.decisions.making import automation


def test_by_default_what_passes_the_gate_decides_at_once():
    assert automation().lifecycle.path == "direct"
    assert automation().lifecycle.tier is None


def test_a_tier_is_a_categorical_customer_fact():
    facts = {"customer": [{"name": "segment", "kind": "categorical"}, {"name": "spend", "kind": "numeric"}]}
    assert automation(features=facts, lifecycle={"tier": "segment"}).lifecycle.tier == "segment"
    for wrong in ("spend", "plan"):
        with pytest.raises(ValidationError, match=f"`{wrong}` is no categorical customer fact.*there are: segment"):
            automation(features=facts, lifecycle={"tier": wrong})
