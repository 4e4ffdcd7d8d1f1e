import pytest

from sandbox.world.spec import WorldSpec

WIDE = WorldSpec(seed=2, tickets=100, new_days=1, history=4_000, history_days=5)


def test_all_accounts_come_page_by_page(start) -> None:
    talk = start(world=WIDE)
    query = "SELECT Id, Plan__c, SystemModstamp FROM Account ORDER BY SystemModstamp, Id"
    page = talk.soql(query, headers={"Sforce-Query-Options": "batchSize=300"}).json()
    total, records = page["totalSize"], page["records"]
    assert len(records) == 300
    while not page["done"]:
        headers = {"Authorization": f"Bearer {talk.token()}"}
        page = talk.client.get(page["nextRecordsUrl"], headers=headers).json()
        records += page["records"]
    assert len({record["Id"] for record in records}) == len(records) == total > 1_000
    stamps = [(record["SystemModstamp"], record["Id"]) for record in records]
    assert stamps == sorted(stamps)
    assert records[0]["attributes"] == {
        "type": "Account",
        "url": f"/services/data/v61.0/sobjects/Account/{records[0]['Id']}",
    }
    assert records[0]["SystemModstamp"].endswith(".000+0000")
    assert "nextRecordsUrl" not in page


def test_a_page_holds_at_most_2000(start) -> None:
    talk = start(world=WorldSpec(seed=2, tickets=0, history=10_000, history_days=5))
    for size, rows in ((9_000, 2_000), (1, 200)):
        page = talk.soql("SELECT Id FROM Contact", headers={"Sforce-Query-Options": f"batchSize={size}"}).json()
        assert len(page["records"]) == rows


def test_changed_accounts_move_on_and_are_found_by_their_stamp(start) -> None:
    talk = start(world=WIDE)
    query = "SELECT Id, Plan__c, Churn_Risk__c, Monthly_Spend__c, SystemModstamp FROM Account ORDER BY SystemModstamp"
    before = talk.soql(query).json()["records"]
    last = before[-1]["SystemModstamp"].replace(".000+0000", "Z")
    changed = f"SELECT Id, Churn_Risk__c FROM Account WHERE SystemModstamp > {last}"
    assert talk.soql(changed).json()["totalSize"] == 0
    talk.advance(24 * 7)
    moved = talk.soql(changed).json()["records"]
    assert moved
    risks = {record["Id"]: record["Churn_Risk__c"] for record in before}
    assert sum(risks[record["Id"]] != record["Churn_Risk__c"] for record in moved) > 0.8 * len(moved)


def test_the_history_of_accounts_says_what_was_true_before(start) -> None:
    talk = start(world=WIDE)
    history = talk.soql("SELECT AccountId, Field, OldValue, NewValue, CreatedDate FROM AccountHistory").json()[
        "records"
    ]
    assert {record["Field"] for record in history} >= {"Plan__c", "Churn_Risk__c", "Autopay__c"}
    plans = {
        record["Id"]: record["Plan__c"]
        for record in talk.soql("SELECT Id, Plan__c FROM Account", path="queryAll").json()["records"]
    }
    changes = [record for record in history if record["Field"] == "Plan__c"]
    assert all(record["NewValue"] == plans[record["AccountId"]] != record["OldValue"] for record in changes)


def test_deleted_accounts_are_in_query_all_alone(start) -> None:
    talk = start(world=WIDE)
    talk.advance(24 * 14)
    alive = talk.soql("SELECT COUNT() FROM Account").json()["totalSize"]
    deleted = talk.soql("SELECT Id, IsDeleted FROM Account WHERE IsDeleted = true", path="queryAll").json()
    assert deleted["totalSize"] > 0
    assert alive + deleted["totalSize"] == talk.soql("SELECT COUNT() FROM Account", path="queryAll").json()["totalSize"]
    headers = {"Authorization": f"Bearer {talk.token()}"}
    gone = talk.client.get(deleted["records"][0]["attributes"]["url"], headers=headers)
    assert gone.json()[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_contacts_and_cases_belong_to_accounts(talk) -> None:
    accounts = {record["Id"] for record in talk.soql("SELECT Id FROM Account", path="queryAll").json()["records"]}
    for kind in ("Contact", "Case"):
        records = talk.soql(f"SELECT Id, AccountId FROM {kind}").json()["records"]
        assert records
        assert {record["AccountId"] for record in records} <= accounts
    shown = talk.client.get(
        f"/services/data/v61.0/sobjects/Contact/{talk.soql('SELECT Id FROM Contact LIMIT 1').json()['records'][0]['Id']}",
        headers={"Authorization": f"Bearer {talk.token()}"},
    )
    assert shown.json()["Email"].endswith("@example.com")


def test_helpdesk_users_are_the_crms_accounts(talk) -> None:
    user = next(user for user in talk.export("/incremental/users/cursor.json")[0] if user["role"] == "end-user")
    account = talk.soql(f"SELECT Id, Plan__c FROM Account WHERE Id = '{user['external_id']}'", path="queryAll").json()[
        "records"
    ]
    assert account[0]["Plan__c"] == user["user_fields"]["plan"]


def test_a_query_without_sense_gets_the_vendors_error_list(talk) -> None:
    response = talk.soql("SELECT Id FROM Account WHERE")
    assert response.status_code == 400
    (error,) = response.json()
    assert error["errorCode"] == "MALFORMED_QUERY"
    assert talk.soql("").json()[0]["errorCode"] == "MALFORMED_QUERY"
    headers = {"Authorization": f"Bearer {talk.token()}"}
    response = talk.client.get("/services/data/v61.0/query/01g5g0000000000-2000", headers=headers)
    assert response.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"
    assert talk.client.get("/services/nothing", headers=headers).json()[0]["errorCode"] == "NOT_FOUND"


def test_a_session_ends_and_a_new_token_helps(start) -> None:
    talk = start(token_seconds=60.0)
    assert talk.soql("SELECT Id FROM Account").status_code == 200
    talk.wall.sleep(61)
    expired = talk.soql("SELECT Id FROM Account")
    assert expired.status_code == 401
    assert expired.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    talk._token = ""
    assert talk.soql("SELECT Id FROM Account").status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "x"}, "invalid_client"),
        (
            {"grant_type": "password", "client_id": "sandbox", "client_secret": "sandbox-secret", "username": "x"},
            "invalid_grant",
        ),
    ],
)
def test_a_wrong_sign_in_is_refused(talk, form, error) -> None:
    response = talk.client.post("/services/oauth2/token", data=form)
    assert response.status_code == 400
    assert response.json()["error"] == error


def test_the_password_grant_works_too(talk) -> None:
    form = {
        "grant_type": "password",
        "client_id": "sandbox",
        "client_secret": "sandbox-secret",
        "username": "agent@example.com",
        "password": "sandbox-password",
    }
    granted = talk.client.post("/services/oauth2/token", data=form).json()
    assert granted["token_type"] == "Bearer"
    assert granted["instance_url"].startswith("http")
    assert granted["issued_at"].isdigit()
