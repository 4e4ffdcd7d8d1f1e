import pytest

from sandbox.salesforce.ids import record_id, with_checksum
from sandbox.salesforce.soql import SoqlError, parse

ROWS = [
    {"Id": record_id("Account", number), "Name": name, "Plan__c": plan, "Monthly_Spend__c": spend, "Autopay__c": autopay,
     "SystemModstamp": 1_800_000_000 + number, "CreatedDate": 0, "IsDeleted": False}
    for number, (name, plan, spend, autopay) in enumerate(
        [("Ada", "basic", 10.5, True), ("Bea", "plus", 20.0, False), ("O'Neil", "plus", 30.0, True), ("Dan", None, 5.0, False)]
    )
]  # fmt: skip


def names(where: str) -> list[str]:
    return [row["Name"] for row in parse(f"SELECT Id, Name FROM Account {where}").run(ROWS)]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("", ["Ada", "Bea", "O'Neil", "Dan"]),
        ("WHERE Plan__c = 'plus'", ["Bea", "O'Neil"]),
        ("where plan__c = 'PLUS'", ["Bea", "O'Neil"]),
        ("WHERE Plan__c != 'plus'", ["Ada", "Dan"]),
        ("WHERE Plan__c = null", ["Dan"]),
        ("WHERE Plan__c != null AND Monthly_Spend__c < 20", ["Ada"]),
        ("WHERE Monthly_Spend__c >= 20.0", ["Bea", "O'Neil"]),
        ("WHERE Autopay__c = true", ["Ada", "O'Neil"]),
        ("WHERE Name = 'O\\'Neil'", ["O'Neil"]),
        ("WHERE Name LIKE '%a'", ["Ada", "Bea"]),
        ("WHERE Name LIKE '_a_'", ["Dan"]),
        ("WHERE Plan__c IN ('basic', 'premium')", ["Ada"]),
        ("WHERE Name NOT IN ('Ada', 'Bea')", ["O'Neil", "Dan"]),
        ("WHERE NOT (Plan__c = 'plus' OR Name = 'Ada')", ["Dan"]),
        ("WHERE SystemModstamp > 2027-01-15T08:00:01Z", ["O'Neil", "Dan"]),
        ("WHERE SystemModstamp >= 2027-01-15T09:00:01.000+01:00", ["Bea", "O'Neil", "Dan"]),
        ("WHERE SystemModstamp < 2027-01-15", []),
        (f"WHERE Id = '{ROWS[1]['Id'][:15]}'", ["Bea"]),
        ("ORDER BY Monthly_Spend__c DESC LIMIT 2", ["O'Neil", "Bea"]),
        ("ORDER BY Plan__c NULLS LAST, Name DESC", ["Ada", "O'Neil", "Bea", "Dan"]),
        ("ORDER BY Plan__c, Name LIMIT 2 OFFSET 1", ["Ada", "Bea"]),
        ("LIMIT 0", []),
    ],
)
def test_a_query_finds_what_it_asks_for(clause, expected) -> None:
    assert names(clause) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name ~ 'x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT many", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT 1 garbage", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE (Name = 'x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2027-99-15T08:00:01Z", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity", "INVALID_TYPE"),
        ("SELECT Id, True_Queue__c FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Monthly_Spend__c > 'ten'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 'now'", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY Nothing", "INVALID_FIELD"),
    ],
)
def test_a_query_that_can_not_be_run_says_so_with_the_vendors_code(text, code) -> None:
    with pytest.raises(SoqlError) as refused:
        parse(text)
    assert refused.value.code == code
    assert refused.value.message


def test_ids_have_the_vendors_checksum() -> None:
    """The worked example of the vendor's documentation on 15- and 18-character ids."""
    assert with_checksum("001A0000006Vm9u") == "001A0000006Vm9uIAC"
    ids = {record_id("Account", number) for number in range(5_000)}
    assert len(ids) == 5_000
    assert all(len(value) == 18 and value.startswith("001") for value in ids)
