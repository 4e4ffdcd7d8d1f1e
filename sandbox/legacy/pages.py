"""The legacy desk's pages, as HTML of its time.

What belongs here: markup. What does not: sessions, tickets and what a form does (`desk.py`).
"""

from collections.abc import Iterable, Mapping
from html import escape

from sandbox.vendors.desk import Comment, Ticket
from sandbox.world.queues import FIRST_GROUP_ID, QUEUES
from sandbox.zendesk.payloads import GROUP_TITLES

STYLE = (
    "body{font:14px Verdana,sans-serif;background:#d4d0c8;margin:0}h1{background:#0a246a;color:#fff;font-size:16px;margin:0;padding:6px 10px}"
    "main{padding:10px}table{border-collapse:collapse;background:#fff}td,th{border:1px solid #808080;padding:4px 8px;text-align:left}"
    "textarea{width:40em;height:6em}.error{color:#b00000;font-weight:bold}.note{background:#ffffe1;border:1px solid #808080;margin:6px 0;padding:6px}"
)


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - TeleDesk 4.2</title>'
        f"<style>{STYLE}</style></head><body><h1>TeleDesk 4.2</h1><main><h2>{escape(title)}</h2>{body}</main></body></html>"
    )


def sign_in(error: str = "") -> str:
    """The form that asks who it is."""
    told = f'<p class="error" id="error">{escape(error)}</p>' if error else ""
    return page(
        "Sign in",
        f'{told}<form method="post" action="/legacy/login"><table><tr><th>User</th><td><input name="user" id="user"></td></tr>'
        '<tr><th>Password</th><td><input name="password" id="password" type="password"></td></tr></table>'
        '<p><input type="submit" id="login" value="Log on"></p></form>',
    )


def search(error: str = "") -> str:
    """Where a ticket is asked for by its number."""
    told = f'<p class="error" id="error">{escape(error)}</p>' if error else ""
    return page(
        "Find ticket",
        f'{told}<form method="get" action="/legacy/ticket"><p>Ticket no. <input name="no" id="no"> '
        '<input type="submit" id="find" value="Find"></p></form><p><a href="/legacy/logout" id="logout">Log off</a></p>',
    )


def ticket(one: Ticket, comments: Iterable[Comment], *, changed: bool) -> str:
    """A ticket with its form. `changed`: the page after last night's update, with another name for the queue."""
    queue = "department" if changed else "queue"
    options = "".join(
        f'<option value="{number}"{" selected" if number == (one.group_id or 0) else ""}>{escape(title)}</option>'
        for number, title in queues().items()
    )
    notes = "".join(f'<div class="note">{escape(said.body)}</div>' for said in comments)
    rows = {"No.": str(one.ticket_id), "Status": one.status, "Subject": one.subject, "Text": one.body}
    told = "".join(
        f"<tr><th>{name}</th><td id='{name.lower().strip('.')}'>{escape(text)}</td></tr>" for name, text in rows.items()
    )
    return page(
        f"Ticket {one.ticket_id}",
        f'<table>{told}</table><h3>Notes</h3><div id="notes">{notes}</div><form method="post" action="/legacy/ticket?no={one.ticket_id}">'
        f'<p>{queue.capitalize()} <select name="{queue}" id="{queue}">{options}</select></p>'
        '<p>Note<br><textarea name="note" id="note"></textarea></p><p><input type="submit" id="save" value="Save"></p></form>',
    )


def confirm(one: Ticket, given: Mapping[str, str]) -> str:
    """The odd page that asks once more."""
    hidden = "".join(f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in given.items())
    return page(
        "Please confirm",
        f"<p>You are about to change ticket {one.ticket_id}. Changes can not be undone. Do you wish not to cancel?</p>"
        f'<form method="post" action="/legacy/confirm?no={one.ticket_id}">{hidden}'
        '<p><input type="submit" name="answer" id="cancel" value="Cancel"> <input type="submit" name="answer" id="yes" value="Do not cancel"></p></form>',
    )


def saved(one: Ticket) -> str:
    """What stands at the end."""
    return page(
        "Saved",
        f'<p id="saved">Ticket {one.ticket_id} was saved.</p><p><a href="/legacy/" id="back">Find ticket</a></p>',
    )


def queues() -> dict[int, str]:
    """The queue's number and title; 0 is nobody's."""
    return {0: "(none)", **{FIRST_GROUP_ID + n: GROUP_TITLES[queue] for n, queue in enumerate(QUEUES)}}
