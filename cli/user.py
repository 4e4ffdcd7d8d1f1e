"""`aios user …`: accounts of the review console.

What belongs here: the commands. What does not: hashing and sign-in (`resources/users.py`).
"""

import secrets
import sys
from typing import Annotated, cast

import typer

from cli import context, output

app = typer.Typer(no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The account.")]
FromInput = Annotated[
    bool, typer.Option("--stdin", help="Read the password from standard input instead of making one.")
]


@app.command()
def add(
    username: Username,
    role: Annotated[str, typer.Option(help="reviewer, lead or admin.")] = "reviewer",
    stdin: FromInput = False,
) -> None:
    """Make an account; prints the password it made.

    aios user add maria --role lead
    """
    from resources.users import Role, UserStore

    password = _password(stdin)
    with context.database() as database:
        UserStore(database).add(username, password, role=cast(Role, role))
    _say(username, password, stdin)


@app.command("password")
def set_password(username: Username, stdin: FromInput = False) -> None:
    """Set a new password; prints the one it made. Open sessions of the account end."""
    from resources.users import UserStore

    password = _password(stdin)
    with context.database() as database:
        UserStore(database).set_password(username, password)
    _say(username, password, stdin)


@app.command("list")
def show_list(json: output.AsJson = False) -> None:
    """List all accounts."""
    from resources.users import UserStore

    with context.database() as database:
        rows = [{"username": u.username, "role": u.role} for u in UserStore(database).users()]
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=("username", "role"), empty="no account; `aios up` makes `admin`")


def _password(stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\n") if stdin else secrets.token_urlsafe(12)


def _say(username: str, password: str, stdin: bool) -> None:
    output.say(f"{username}: password set" if stdin else f"{username}: password {password}")
