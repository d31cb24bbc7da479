"""The pages of the review: which path shows or does what. Everything that waits for the store runs in a thread."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from hoptrail_reports.abuse.forms import FORMS
from hoptrail_reports.abuse.review import Decision, Edit
from hoptrail_reports.errors import ReportError
from hoptrail_store.errors import StoreError
from hoptrail_tracer.model import Contact
from hoptrail_tracer.printable import printable
from hoptrail_web import desk, nights
from hoptrail_web.access import Access
from hoptrail_web.charts import columns
from hoptrail_web.desk import Desk, Page
from hoptrail_web.guard import Guard
from hoptrail_web.hops import drawn_hops
from hoptrail_web.readmail import read_mail
from hoptrail_web.requestlog import LOG, RequestLog
from hoptrail_web.settings import WebSettings
from hoptrail_web.shownmail import shown_mail
from hoptrail_web.templates import environment

COOKIE = "hoptrail-session"

_SPANS = (7, 30, 90, 365)
_MUTE_DAYS = {"7": 7, "30": 30, "365": 365, "": None}
_STATIC = {"desk.css": "text/css", "desk.js": "text/javascript", "icon.svg": "image/svg+xml"}
_DECISIONS: dict[str, Decision] = {"approve": "approved", "dismiss": "dismissed"}
_REASONS = ("false positive", "known sender", "wrong origin", "not worth a report")
"""Why most drafts are dismissed: one key each."""
_SOURCES = {
    "rdap": "by the registry's RDAP answer",
    "abusix": "by Abusix's abuse contact database",
    "whois": "by the registry's whois answer",
    "the contacts file": "in your own file of contacts",
    "a person": "by a person, who wrote it in",
}
T = TypeVar("T")
Form = dict[str, str]


class Pages:
    """What the routes share: the settings, who may see them, the templates."""

    def __init__(self, settings: WebSettings, of: Desk, reports: Path, access: Access) -> None:
        """Show the desk `of`, and the nights below `reports`."""
        self._settings, self._desk, self._reports, self._access = settings, of, reports, access
        self._templates = environment()

    def app(self) -> Starlette:
        """The application, with everything a request passes before it."""
        page, form = self._page, self._form
        return Starlette(
            routes=[
                Route("/login", self.login, methods=["GET", "POST"]),
                Route("/logout", form(self.logout), methods=["POST"]),
                Route("/static/{name}", self.static),
                Route("/favicon.ico", RedirectResponse("/static/icon.svg")),
                Route("/", page(self.night)),
                Route("/draft/{id}", page(self.draft)),
                Route("/draft/{id}/message.txt", page(self.message)),
                Route("/draft/{id}/edit", form(self.edit), methods=["POST"]),
                Route("/draft/{id}/mute", form(self.mute), methods=["POST"]),
                Route("/draft/{id}/{act}", form(self.decide), methods=["POST"]),
                Route("/campaign/{mark}/{act}", form(self.decide_campaign), methods=["POST"]),
                Route("/muted", page(self.muted)),
                Route("/muted", form(self.unmute), methods=["POST"]),
                Route("/stats", page(self.stats)),
                Route("/nights/", page(self.nights)),
                Route("/nights/{path:path}", page(self.night_file)),
            ],
            middleware=[Middleware(RequestLog), Middleware(Guard, hosts=self._settings.hosts)],
            exception_handlers={404: self._absent, ReportError: self._failed, StoreError: self._failed},
        )

    # who may

    async def login(self, request: Request) -> Response:
        """Open a session with the token, or with the key of the link that the command printed."""
        if self._access.waits():
            return PlainTextResponse("Too many wrong tokens: wait a minute.\n", 429, {"Retry-After": "60"})
        given = (await _fields(request)).get("token", "") if request.method == "POST" else _query(request, "key")
        if given and self._access.opens(given.strip()):
            answer = RedirectResponse("/", 303)
            secure = request.headers.get("x-forwarded-proto") == "https"
            answer.set_cookie(
                COOKIE,
                self._access.new_session(),
                max_age=self._settings.session_hours * 3600,
                httponly=True,
                samesite="strict",
                secure=secure,
            )
            LOG.info("a session was opened")
            return answer
        if given:
            LOG.warning("a wrong token was given")
        return self._html("login.html", request, wrong=bool(given), status=403 if given else 200)

    async def logout(self, request: Request, _: Form) -> Response:
        """Forget the session in this browser."""
        del request
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    def _page(self, show: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self._access.is_session(request.cookies.get(COOKIE)):
                return RedirectResponse("/login", 303)
            return await show(request)

        return guarded

    def _form(self, act: Callable[[Request, Form], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """A form is taken from a session, with the session's own key in it."""

        async def guarded(request: Request) -> Response:
            session = request.cookies.get(COOKIE)
            if not self._access.is_session(session):
                return RedirectResponse("/login", 303)
            fields = await _fields(request)
            if session is None or not self._access.is_form_key(session, fields.get("form_key", "")):
                return PlainTextResponse("This form is none of this session's: load the page again.\n", 403)
            return await act(request, fields)

        return guarded

    # what is shown

    async def night(self, request: Request) -> Response:
        """A day's drafts and cases."""
        found = await run_in_threadpool(desk.night, self._desk, _day(_query(request, "day")))
        return self._html("night.html", request, night=found, reasons=_REASONS, said=_query(request, "said"))

    async def draft(self, request: Request) -> Response:
        """One draft with all that a person weighs."""
        found = await self._found(request)
        return self._html(
            "draft.html",
            request,
            page=found,
            forms=list(FORMS),
            reasons=_REASONS,
            found_by=_found_by(found.draft.report.contact),
            report_lines=shown_mail(found.message),
            mail=read_mail(found.sample),
            mail_lines=shown_mail(found.sample),
            hops=drawn_hops(found.trace) if found.trace else (),
            said=_query(request, "said"),
            now=datetime.now(UTC),
            fresh_hours=self._desk.abuse.fresh_hours,
        )

    async def _found(self, request: Request) -> Page:
        form = _query(request, "form")
        return await run_in_threadpool(
            desk.page, self._desk, request.path_params["id"], form if form in FORMS else None
        )

    async def message(self, request: Request) -> Response:
        """The report as it would be sent, as a file."""
        found = await self._found(request)
        name = f"attachment; filename={found.draft.id}.eml.txt"
        return Response(found.message, media_type="text/plain", headers={"Content-Disposition": name})

    async def muted(self, request: Request) -> Response:
        """The origins that nobody wants drafts about."""
        return self._html("muted.html", request, muted=await run_in_threadpool(desk.muted, self._desk))

    async def stats(self, request: Request) -> Response:
        """What the reports came to."""
        days = int(_query(request, "days") or 30) if _query(request, "days") in {"", *map(str, _SPANS)} else 30
        found = await run_in_threadpool(desk.figures, self._desk, days)
        sent = await run_in_threadpool(desk.sent_by_day, self._desk, days)
        chart = columns([count for _, count in sent])
        return self._html("stats.html", request, found=found, days=days, spans=_SPANS, chart=chart, sent=sent)

    async def nights(self, request: Request) -> Response:
        """The nights that have a report."""
        return self._html("nights.html", request, nights=await run_in_threadpool(nights.nights, self._reports))

    async def night_file(self, request: Request) -> Response:
        """A page of a nightly report."""
        found = await run_in_threadpool(nights.night_file, self._reports, request.path_params["path"])
        return found or await self._absent(request, None)

    async def static(self, request: Request) -> Response:
        """Our style sheet and script: they tell nothing, so they need no session."""
        name = request.path_params["name"]
        if name not in _STATIC:
            return await self._absent(request, None)
        content = files("hoptrail_web").joinpath("static", name).read_bytes()
        return Response(content, media_type=_STATIC[name])

    # what is done

    async def decide(self, request: Request, form: Form) -> Response:
        """Approve, dismiss or reopen a draft, and go on to the next that waits."""
        draft_id, act = request.path_params["id"], request.path_params["act"]
        following = await run_in_threadpool(desk.following, self._desk, draft_id)
        done = await self._do(desk.decide, draft_id, act, seen=form.get("seen", ""), reason=_reason(form))
        LOG.info("%s: %s", done.id, done.state)
        following = done.id if act == "reopen" else following
        return _go(f"/draft/{following}" if following else f"/?day={done.day}", f"{done.id}:{done.state}")

    async def decide_campaign(self, request: Request, form: Form) -> Response:
        """Approve or dismiss all drafts of a campaign that wait."""
        mark, state, day = (
            request.path_params["mark"],
            _DECISIONS.get(request.path_params["act"]),
            _day(form.get("day", "")),
        )
        if state is None or day is None:
            return await self._absent(request, None)
        seen, reason = form.get("seen", ""), _reason(form)
        done = await self._do(desk.decide_campaign, day, mark, state, seen=seen, reason=reason)
        LOG.info("campaign %s of %s: %d %s", printable(mark), day, done, state)
        return _go(f"/?day={day}", f"campaign:{state}:{done}")

    async def edit(self, request: Request, form: Form) -> Response:
        """Change a draft's note, contact or form."""
        change = Edit(form.get("note", "").replace("\r\n", "\n"), form.get("contact"), form.get("form"))
        done = await self._do(desk.edit, request.path_params["id"], change, seen=form.get("seen", ""))
        return _go(f"/draft/{done.id}", f"{done.id}:changed")

    async def mute(self, request: Request, form: Form) -> Response:
        """Mute the origin of a draft, and go on to the next that waits."""
        days = _MUTE_DAYS.get(form.get("days", "30"), 30)
        draft_id = request.path_params["id"]
        made = await self._do(desk.mute, draft_id, reason=_reason(form), days=days)
        LOG.info("%s: muted", made.origin)
        following = await run_in_threadpool(desk.following, self._desk, draft_id)
        return _go(f"/draft/{following}" if following else "/", f"{made.origin}:muted")

    async def unmute(self, request: Request, form: Form) -> Response:
        """Let drafts be made about an origin again."""
        del request
        await run_in_threadpool(desk.unmute, self._desk, form.get("origin", ""))
        return RedirectResponse("/muted", 303)

    async def _do(self, act: Callable[..., T], *what: object, **how: object) -> T:
        return await run_in_threadpool(partial(act, self._desk, *what, **how, now=datetime.now(UTC)))

    # answers

    def _html(self, name: str, request: Request, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
        session = request.cookies.get(COOKIE)
        known = self._access.is_session(session)
        values |= {"form_key": self._access.form_key(session) if session and known else "", "known": known}
        return HTMLResponse(self._templates.get_template(name).render(values), status)

    async def _absent(self, request: Request, _: Exception | None) -> Response:
        return self._html("failed.html", request, title="Not here", text="There is no such page.", status=404)

    async def _failed(self, request: Request, error: Exception) -> Response:
        """A change that cannot be made, a draft that is not there, a store that cannot be read: said, not hidden."""
        status = 409 if request.method == "POST" else 404 if isinstance(error, ReportError) else 503
        known = self._access.is_session(request.cookies.get(COOKIE))
        return self._html("failed.html", request, title="Not done", text=str(error) if known else "", status=status)


async def _fields(request: Request) -> Form:
    """The fields of a form, each once. Only URL-encoded forms are ours."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    with suppress(ClientDisconnect, UnicodeDecodeError, ValueError):
        body = (await request.body()).decode("ascii")
        return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True, max_num_fields=20).items()}
    return {}


def _found_by(contact: Contact) -> str:
    return _SOURCES.get(contact.source, printable(contact.source))


def _query(request: Request, name: str) -> str:
    return request.query_params.get(name, "")[:200]


def _day(text: str) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text)
    return None


def _reason(form: Form) -> str | None:
    """The reason of the button that was pressed, else the one that was typed."""
    return " ".join((form.get("reason") or form.get("own") or "").split()) or None


def _go(place: str, said: str) -> RedirectResponse:
    return RedirectResponse(f"{place}{'&' if '?' in place else '?'}{urlencode({'said': said})}", 303)
