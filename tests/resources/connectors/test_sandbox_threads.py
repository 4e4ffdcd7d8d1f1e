"""A ticket's conversation from every helpdesk, against the sandbox over real HTTP."""

from collections.abc import Iterator

import pytest

from aios_core.canonical.thread import Message
from resources.connectors.base import Threaded
from resources.connectors.failures import SourceRefused
from tests.resources.connectors.desks import DESKS, REPLY, World, assignment, reply, sandbox_world
from tests.resources.connectors.fakes import action


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with sandbox_world() as found:
        yield found


def thread(world: World, name: str, own_id: str) -> tuple[Message, ...]:
    connector = world.open(name)
    try:
        assert isinstance(connector, Threaded)
        return connector.thread(own_id)
    finally:
        connector.close()


@pytest.mark.parametrize("name", DESKS)
def test_a_conversation_has_what_was_written_in_its_order_and_who_sees_it(world: World, name: str) -> None:
    ticket_id = next(world.fresh)
    own_id = DESKS[name].own_id(ticket_id)
    assert thread(world, name, own_id) == (), "a ticket's own text is no message"
    world.write(name, assignment(name, ticket_id))
    replies = "reply" not in DESKS[name].lacks
    if replies:
        world.write(name, reply(name, ticket_id))
    found = thread(world, name, own_id)
    assert "AIOS chose fraud: it is sure." in found[0].text
    assert found[0].public is (False if replies else None)
    assert all(message.at is not None and "<p>" not in message.text for message in found)
    if replies:
        [answer] = [message for message in found if message.public]
        assert answer.text.split() == REPLY.split()


def test_a_long_conversation_is_read_page_by_page(world: World) -> None:
    ticket_id = next(world.fresh)
    for n in range(60):  # Jira gives fifty at once
        world.write(
            "jira", action(DESKS["jira"].own_id(ticket_id), f"d:{n}:{ticket_id}", kind="note", comment=f"note {n:03}")
        )
    found = thread(world, "jira", DESKS["jira"].own_id(ticket_id))
    assert [message.text.split("\n")[0] for message in found] == [f"note {n:03}" for n in range(60)]


@pytest.mark.parametrize("name", DESKS)
def test_a_ticket_that_is_not_there_is_said(world: World, name: str) -> None:
    own_id = DESKS[name].own_id(999_999_999)
    if name == "servicenow":
        assert thread(world, name, own_id) == (), (
            "its journal has no entries of a row that is not there, and no opinion"
        )
        return
    with pytest.raises(SourceRefused, match="404"):
        thread(world, name, own_id)
