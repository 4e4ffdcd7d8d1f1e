import pytest

LISTING, EXPORT = "/help_center/articles.json", "/help_center/incremental/articles.json"


def listed(talk, size: int = 100) -> list[dict]:
    found, after = [], None
    while True:
        params = {"page[size]": size} | ({"page[after]": after} if after else {})
        body = talk.zendesk("GET", LISTING, params=params).json()
        found += body["articles"]
        if not body["meta"]["has_more"]:
            return found
        after = body["meta"]["after_cursor"]


def edit(talk, **fields):
    return talk.client.post("/sandbox/articles", json=fields)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_listing_brings_every_article_once_whatever_its_pages(talk, size) -> None:
    ids = [article["id"] for article in listed(talk, size)]
    assert len(ids) == len(set(ids)) == len(talk.sandbox.help_center)
    assert ids == sorted(ids)


def test_an_export_goes_on_from_its_end_time(talk) -> None:
    first = talk.zendesk("GET", EXPORT, params={"start_time": 0}).json()
    assert first["count"] == len(talk.sandbox.help_center)
    again = talk.zendesk("GET", EXPORT, params={"start_time": first["end_time"]}).json()
    assert {a["id"] for a in again["articles"]} < {a["id"] for a in first["articles"]}
    talk.sandbox.advance(1, None)
    assert edit(talk, id=360_001, title="Changed").status_code == 200
    changed = talk.zendesk("GET", EXPORT, params={"start_time": first["end_time"] + 1}).json()
    assert [(a["id"], a["title"]) for a in changed["articles"]] == [(360_001, "Changed")]


def test_an_archived_article_is_in_no_answer(talk) -> None:
    edit(talk, id=360_002, archived=True)
    assert 360_002 not in {article["id"] for article in listed(talk)}
    exported = talk.zendesk("GET", EXPORT, params={"start_time": 0}).json()["articles"]
    assert 360_002 not in {article["id"] for article in exported}


def test_an_editor_is_told_what_is_wrong(talk) -> None:
    assert "no article 5" in edit(talk, id=5, title="x").json()["error"]
    assert "no field 'colour'" in edit(talk, id=360_001, colour="red").json()["error"]
    assert "needs a title" in edit(talk, body="x").json()["error"]


def test_both_endpoints_want_credentials_and_sound_parameters(talk) -> None:
    assert talk.client.get("/api/v2" + LISTING).status_code == 401
    assert talk.zendesk("GET", EXPORT).status_code == 400
    assert talk.zendesk("GET", LISTING, params={"page[size]": 101}).status_code == 400
    assert talk.zendesk("GET", LISTING, params={"page[after]": "bm9uc2Vuc2U="}).status_code == 400
