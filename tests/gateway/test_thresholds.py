"""The console's page about cut-offs."""

import pytest

from aios_core.thresholds.proposal import Settings
from resources.thresholds import ThresholdStore
from tests.aios_core.thresholds.making import proposal
from tests.review_world import NOW


@pytest.fixture
def made(database):
    found = proposal(Settings(max_error=0.1, capacity=40))
    ThresholdStore(database).keep(found, actor="cli:ana", now=NOW)
    return found


def test_the_newest_proposal_is_shown_with_its_curve_its_guarantee_and_how_to_accept_it(ana, made):
    page = ana.get("/automations/care/thresholds").text
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in page
    assert page.count("<polyline") == 2
    assert "Guaranteed, with 90% confidence" in page
    assert f"aios thresholds accept {made.proposal_id} --by NAME" in page
    assert "<form" not in page.split("<main")[1]  # a page that changes nothing


def test_without_a_proposal_the_page_says_how_to_make_one(ana):
    answer = ana.get("/automations/care/thresholds")
    assert answer.status_code == 404
    assert "aios thresholds propose --automation care" in answer.text
    assert ana.get("/automations/A'B/thresholds").status_code == 422
