"""How values are put into words on a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from gateway.rendering import actor, coded


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("rule `vip` asks for review", "rule <code>vip</code> asks for review"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("new `<sla>` & more", "new <code>&lt;sla&gt;</code> &amp; more"),
        ("one ` alone", "one ` alone"),
        ("", ""),
    ],
)
def test_backticks_are_code_and_everything_else_is_text(said, shown):
    assert coded(said) == shown


@given(st.text(alphabet="`<>&\"' ax"))
def test_whatever_is_said_no_markup_of_its_own_comes_through(said):
    shown = coded(said)
    assert str(shown).replace("<code>", "`").replace("</code>", "`") == str(escape(said))


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        ("person:lea", "lea"),
        ("run:75dd003c-8c32-498c-9c75-3fb40ae32bf7", "run 75dd003c"),
        ("cli:root", "cli:root"),
        ("judge", "judge"),
        ("person:", "person:"),
    ],
)
def test_people_and_runs_are_called_by_their_names(who, shown):
    assert actor(who) == shown
