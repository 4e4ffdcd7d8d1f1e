"""`aios user`: accounts of the console."""

import json

from resources.database import Database
from resources.users import UserStore
from tests.cli.conftest import Aios


def test_a_made_password_signs_in(aios: Aios, database: Database) -> None:
    done = aios("user", "add", "maria", "--role", "lead")
    password = done.stdout.removeprefix("maria: password ").strip()
    assert UserStore(database).verify("maria", password) is not None
    assert json.loads(aios("user", "list", "--json").stdout) == [{"username": "maria", "role": "lead"}]


def test_a_password_from_standard_input_is_not_shown(aios: Aios, database: Database) -> None:
    aios("user", "add", "maria")
    done = aios("user", "password", "maria", "--stdin", stdin="correct horse battery\n")
    assert done.stdout == "maria: password set\n"
    assert UserStore(database).verify("maria", "correct horse battery") is not None


def test_an_unknown_account_is_one_line(aios: Aios) -> None:
    done = aios("user", "password", "nobody")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no user nobody")
