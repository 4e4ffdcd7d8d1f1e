"""Sign-in and sign-out."""

import math
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.dependencies import Forbidden, MaybeSession, Now, Opened, Poster, said
from gateway.security import COOKIE, comes_from_elsewhere, local_path

router = APIRouter()


@router.get("/sign-in")
def sign_in_page(
    opened: Opened, found: MaybeSession, next: str = "/", ended: bool = False, lost: bool = False
) -> Response:
    if found is not None:
        return RedirectResponse(local_path(next), status_code=303)
    return opened.pages.render(
        "sign_in.html", person=None, next=local_path(next), ended=ended, lost=lost, error=None, username=""
    )


@router.post("/sign-in")
def sign_in(
    request: Request,
    opened: Opened,
    now: Now,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    if comes_from_elsewhere(request):
        raise Forbidden("sign in on the console's own page")
    username = said(username, longest=200)
    client = request.client.host if request.client else "unknown"
    result = opened.users.sign_in(username, password, client=client, now=now)
    if result.user is None:
        seconds = math.ceil(result.wait.total_seconds())
        error = (
            "Name or password is wrong." if not seconds else f"Too many failed tries. Try again in {seconds} seconds."
        )
        return opened.pages.render(
            "sign_in.html",
            status=429 if seconds else 401,
            headers={"retry-after": str(seconds)} if seconds else {},
            person=None,
            next=local_path(next),
            ended=False,
            lost=False,
            error=error,
            username=username,
        )
    response = RedirectResponse(local_path(next), status_code=303)
    response.set_cookie(
        COOKIE,
        opened.sessions.start(username=result.user.username, stamp=result.user.stamp, now=now),
        max_age=int(opened.sessions.lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=opened.settings.secure_cookies,
        path="/",
    )
    return response


@router.post("/sign-out")
def sign_out(opened: Opened, poster: Poster, now: Now) -> Response:
    opened.reviews.release_all(actor=poster.username, now=now)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=opened.settings.secure_cookies)
    return response
