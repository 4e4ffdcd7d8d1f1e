from datetime import timedelta

import pytest
from fastapi import FastAPI

from gateway.security import COOKIE, Sessions, local_path
from resources.database import Database
from resources.reviews import ReviewStore
from resources.users import UserStore
from tests.gateway.conftest import PASSWORD, Browser
from tests.review_world import NOW, Wanted, automation, record

PAGES = ["/", "/batches", "/batches/escalations/2026-11-20/billing", "/cases/x", "/decisions", "/decisions/x", "/quarantine",
         "/reports", "/reports/x.html"]  # fmt: skip


@pytest.fixture
def case_id(database):
    record(database, [Wanted(ticket_id="T1")])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    return ReviewStore(database).cases(automation="escalations", batch="2026-11-20/billing")[0].case_id


def sign_in(browser, **fields):
    return browser.post("/sign-in", data={"username": "ana", "password": PASSWORD} | fields, follow_redirects=False)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_asks_for_a_sign_in_and_comes_back_to_it(browser, path):
    response = browser.get(path, follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/sign-in?next=%2F")


def test_every_route_but_the_public_ones_needs_a_sign_in(app: FastAPI, browser):
    public = {"/health", "/ready", "/metrics", "/sign-in", "/static", "/openapi.json", "/v2", "/v2/health/live",
              "/v2/health/ready", "/events/schemas/type_/v1.json"}  # fmt: skip
    tried = 0
    for route in _routes(app):
        for method in getattr(route, "methods", None) or ["GET"]:
            path = route.path.replace("{", "").replace("}", "").replace(":path", "")
            if method == "HEAD" or path in public:
                continue
            response = browser.request(method, path, data={} if method == "POST" else None, follow_redirects=False)
            tried += 1
            if path.startswith(("/v1/", "/v2/")):  # a machine's: no page to sign in on
                assert (response.status_code, response.json()["code"]) == (401, "key.missing"), (method, path)
                continue
            if path.startswith("/hooks/"):  # another system's: what it sends proves itself
                assert (response.status_code, response.json()["code"]) == (404, "automation.unknown"), (method, path)
                continue
            assert response.status_code == 303, (method, path)
            assert response.headers["location"].startswith("/sign-in"), (method, path)
    assert tried >= 25


def _routes(app: FastAPI) -> list:
    found = []
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        found += inner.routes if inner is not None else [route]
    return found


def test_the_session_cookie_is_closed_to_scripts_and_other_sites(browser):
    cookie = sign_in(browser).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_after_the_sign_in_one_is_where_one_wanted_to_go(browser):
    assert sign_in(browser, next="/decisions?q=7").headers["location"] == "/decisions?q=7"


@pytest.mark.parametrize(
    "target", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "", "/a\r\nb", None]
)
def test_the_way_back_never_leads_to_another_site(target):
    assert local_path(target) == "/"


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong(browser):
    known = sign_in(browser, password="wrong")
    unknown = sign_in(browser, username="nobody", password="wrong")
    assert (known.status_code, unknown.status_code) == (401, 401)
    assert "Name or password is wrong." in known.text
    assert COOKIE not in browser.cookies


def test_guessing_is_slowed_down(browser, clock):
    for _ in range(5):
        response = sign_in(browser, password="wrong")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert sign_in(browser).status_code == 429
    clock.on(timedelta(seconds=3))
    assert sign_in(browser).status_code == 303


@pytest.mark.parametrize("name", ["e\0ve", "x" * 100_000, "'; drop table users; --", "<b>"])
def test_strange_names_are_only_wrong(browser, name):
    assert sign_in(browser, username=name).status_code == 401


def test_a_post_without_the_form_token_is_refused(ana, case_id, database):
    for token in ("", "x" * 64, "ü"):
        response = ana.post(f"/cases/{case_id}/decide", data={"queue": "fraud", "token": token})
        assert response.status_code == 403
    assert ReviewStore(database).case(case_id).standing.state == "waiting"


def test_another_persons_token_does_not_fit(ana, ben, case_id):
    ana.token = ben.token
    assert ana.submit(f"/cases/{case_id}/decide", queue="fraud").status_code == 403


@pytest.mark.parametrize("headers", [{"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}])
def test_a_post_from_another_site_is_refused_even_with_a_token(ana, case_id, headers):
    response = ana.post(f"/cases/{case_id}/decide", data={"queue": "fraud", "token": ana.token}, headers=headers)
    assert response.status_code == 403


def test_another_site_can_not_sign_somebody_in(browser):
    response = browser.post(
        "/sign-in", data={"username": "ana", "password": PASSWORD}, headers={"origin": "https://evil.test"}
    )
    assert response.status_code == 403


def test_a_session_ends_and_a_verdict_sent_after_it_says_that_it_was_not_taken(ana, case_id, database, clock):
    ana.submit("/batches/escalations/2026-11-20/billing")
    clock.on(timedelta(hours=12))
    response = ana.submit(f"/cases/{case_id}/decide", queue="fraud")
    assert response.url.path == "/sign-in"
    assert "was not recorded" in response.text
    assert f'name="next" value="/cases/{case_id}"' in response.text
    assert ReviewStore(database).case(case_id).standing.verdict is None


def test_a_changed_password_ends_the_sessions_of_the_old_one(ana, database):
    UserStore(database).set_password("ana", "another long password")
    assert ana.get("/").url.path == "/sign-in"


def test_a_removed_account_is_out_at_once(ana, database):
    with database.connection() as conn:
        conn.execute("delete from users where username = 'ana'")
    assert ana.get("/").url.path == "/sign-in"


@pytest.mark.parametrize("cookie", ["", "x", "eyJ9.abc", '["ana"]'])
def test_a_forged_cookie_is_no_session(browser, cookie):
    browser.cookies.set(COOKIE, cookie, domain="testserver.local")
    assert browser.get("/", follow_redirects=False).status_code == 303


def test_a_cookie_signed_under_another_secret_is_no_session():
    lifetime = timedelta(hours=1)
    cookie = Sessions("a" * 40, lifetime=lifetime).start(username="ana", stamp="s", now=NOW)
    assert Sessions("a" * 40, lifetime=lifetime).read(cookie, now=NOW).username == "ana"
    assert Sessions("b" * 40, lifetime=lifetime).read(cookie, now=NOW) is None
    assert Sessions("a" * 40, lifetime=lifetime).read(cookie, now=NOW + lifetime) is None


def test_signing_out_ends_the_session_and_gives_cases_back(ana, case_id, database):
    ana.submit("/batches/escalations/2026-11-20/billing")
    ana.submit("/sign-out")
    assert COOKIE not in ana.cookies
    assert ReviewStore(database).case(case_id).standing.state == "waiting"


def test_pages_forbid_foreign_scripts_framing_and_caching(ana):
    headers = ana.get("/").headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_a_form_that_is_too_large_is_refused_before_it_is_read(ana):
    response = ana.post("/sign-in", data={"username": "x" * 300_000})
    assert response.status_code == 413


def test_a_body_of_unknown_length_is_refused(ana):
    def endless():
        yield b"username=x"

    assert ana.post("/sign-in", content=endless()).status_code == 413


def test_a_lost_database_is_said_plainly(settings, lake, clock):
    from gateway.app import create_app

    gone = Database("postgresql://nobody@127.0.0.1:1/none", timeout_seconds=0.5)
    lost = Browser(create_app(settings, database=gone, lake=lake, clock=clock), raise_server_exceptions=False)
    response = lost.post("/sign-in", data={"username": "ana", "password": PASSWORD})
    assert response.status_code == 503
    assert "Nothing was changed; try again" in response.text
    assert lost.get("/health").json() == {"status": "ok"}
    assert lost.get("/ready").status_code == 503
