"""The admin page of the gateway: an API on a port and a loopback address of its own, behind a token, always.

Rules kept here: nothing is answered without the token, not even whether a path exists; what comes in is bounded and read
into a record before anything is done; whatever asks the ledger does so in a thread, so that nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hmac import compare_digest
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fairlead import __version__
from fairlead.core.errors import FairleadError, LedgerError, UsageError
from fairlead.core.ids import plain
from fairlead.edge.app.keys import Key, KeyBook, Limits, Made
from fairlead.edge.control import metrics
from fairlead.edge.control.overview import Overview
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import moment
from fairlead.serve.routing import Event
from fairlead.serve.snapshot import Snapshot

if TYPE_CHECKING:
    from fairlead.edge.app.routes import RouteBook
    from fairlead.edge.control.process import Reloaded

_LARGEST_BODY = 64 * 1024
_LONGEST_WHY = 2_000
ADMIN_HOST = "127.0.0.1"


class KeyWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A key to make. Empty lists mean anything, null means no limit; money in dollars, as text or number."""

    name: str
    workloads: list[str] = []
    models: list[str] = []
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget_day: Decimal | None = None
    budget_month: Decimal | None = None
    expires_days: float | None = None


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How long the old secret works on, in hours."""

    grace_hours: float = 24.0


class RouteEvent(msgspec.Struct, forbid_unknown_fields=True):
    """Something a person does to a route, and why."""

    event: Literal["advanced", "taken back", "put on hold", "released"]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the page shows and does, from the control process. All but `reload` and `snapshot` may ask the ledger."""

    ledger: Callable[[], Ledger]
    overview: Callable[[], Overview]
    metrics: Callable[[], str]
    snapshot: Callable[[], Snapshot]
    reload: Callable[[], Reloaded]
    changed: Callable[[], None]
    routes: Callable[[], RouteBook]


class NotFoundError(FairleadError):
    """There is no such thing here."""


class Gate:
    """Lets in who brings the token; everybody else learns nothing."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            if len(given) != 1 or not compare_digest(given[0], self._expected):
                refused = _error(401, "The admin page needs its token: Authorization: Bearer TOKEN.")
                refused.headers["www-authenticate"] = "Bearer"
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


Handler = Callable[[Request], Awaitable[Response]]


class Admin:
    """The API. Each method that answers a path stands in `_TABLE`, from which routes and the OpenAPI document are made."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def app(self, token: str) -> ASGIApp:
        """The ASGI application."""
        routes = [
            Route(path, self._guarded(getattr(self, name)), methods=[method], name=name)
            for method, path, name, *_ in _TABLE
        ]
        handlers = {404: _no_path, 405: _no_method}
        return Gate(Starlette(routes=routes, exception_handlers=handlers), token)

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except NotFoundError as error:
                return _error(404, str(error))
            except LedgerError as error:
                return _error(503, str(error))
            except FairleadError as error:
                return _error(422, str(error))
            except ClientDisconnect:
                return _error(400, "The body did not arrive whole.")

        return answer

    # Looking

    async def health(self, _: Request) -> Response:
        """Whether the control process answers."""
        return _json({"status": "ok", "version": __version__})

    async def ready(self, _: Request) -> Response:
        """Whether data planes are there and calls are kept."""
        shown = await asyncio.to_thread(self._sources.overview)
        is_ready = shown.ready and shown.planes > 0
        problem = shown.problem or ("" if shown.planes else "No data plane was heard of in the last ten seconds.")
        return _json({"ready": is_ready, "problem": problem}, status=200 if is_ready else 503)

    async def overview(self, _: Request) -> Response:
        """How everything is doing: what `fairlead top` shows."""
        return _json(overview_json(await asyncio.to_thread(self._sources.overview)))

    async def upstreams(self, _: Request) -> Response:
        """The upstreams and how they are."""
        shown = await asyncio.to_thread(self._sources.overview)
        return _json({"upstreams": [asdict(row) for row in shown.upstreams]})

    async def counters(self, _: Request) -> Response:
        """What was dropped, refused and held."""
        shown = await asyncio.to_thread(self._sources.overview)
        return _json(
            {
                "dropped": {**asdict(shown.dropped), "total": shown.dropped.total},
                "refused": dict(shown.refused),
                "held": shown.held,
                "in_flight": shown.in_flight,
                "planes": shown.planes,
            }
        )

    async def metrics(self, _: Request) -> Response:
        """Everything for Prometheus."""
        text = await asyncio.to_thread(self._sources.metrics)
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE})

    async def openapi(self, _: Request) -> Response:
        """This document."""
        return _json(document())

    # Keys

    async def list_keys(self, _: Request) -> Response:
        """Every key that was made, without secrets."""
        keys = await asyncio.to_thread(lambda: self._keys().all())
        return _json({"keys": [key_json(key) for key in keys]})

    async def create_key(self, request: Request) -> Response:
        """Make a key; its secret is in the answer and nowhere else."""
        wanted = await _read(request, KeyWanted)
        days = wanted.expires_days
        if days is not None and not 0 < days < 36_500:
            raise UsageError(f"expires_days = {days:g} cannot be used; give more than 0 and less than 36500.")
        limits = Limits(
            workloads=tuple(wanted.workloads),
            models=tuple(wanted.models),
            requests_per_minute=wanted.requests_per_minute,
            tokens_per_minute=wanted.tokens_per_minute,
            budget_day=wanted.budget_day,
            budget_month=wanted.budget_month,
        )
        expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
        made = await asyncio.to_thread(lambda: self._keys().create(wanted.name, limits=limits, expires_at=expires))
        self._sources.changed()
        return _json(_made_json(made), status=201)

    async def rotate_key(self, request: Request) -> Response:
        """Give a key a new secret; the old one works on for a while."""
        rotation = await _read(request, Rotation)
        if not 0 <= rotation.grace_hours < 24 * 3650:
            raise UsageError(f"grace_hours = {rotation.grace_hours:g} cannot be used; give 0 or more hours.")
        key_id = await self._known(request)
        made = await asyncio.to_thread(lambda: self._keys().rotate(key_id, grace_s=rotation.grace_hours * 3600))
        self._sources.changed()
        return _json(_made_json(made))

    async def revoke_key(self, request: Request) -> Response:
        """Close a key for good."""
        key_id = await self._known(request)
        closed = await asyncio.to_thread(lambda: self._keys().revoke(key_id))
        self._sources.changed()
        return _json(key_json(closed))

    async def _known(self, request: Request) -> str:
        key_id: str = request.path_params["key_id"]
        keys = await asyncio.to_thread(lambda: self._keys().all())
        if all(key.id != key_id for key in keys):
            raise NotFoundError("There is no key with this id.")
        return key_id

    def _keys(self) -> KeyBook:
        return KeyBook(self._sources.ledger())

    # Routes

    async def list_routes(self, _: Request) -> Response:
        """Where each workload's requests go now."""
        return _json({"routes": [msgspec.to_builtins(route) for route in self._sources.snapshot().routes]})

    async def list_steps(self, request: Request) -> Response:
        """Every step of a route: when, who, why, and the hash of the evidence."""
        workload_id: str = request.path_params["workload_id"]
        steps = await asyncio.to_thread(lambda: self._sources.routes().steps(workload_id))
        return _json({"steps": [plain(step) for step in steps]})

    async def cost_per_success(self, request: Request) -> Response:
        """What a successful output of a workload costs since its route began, repairs, fallbacks and shadows included."""
        workload_id: str = request.path_params["workload_id"]

        def cost() -> dict[str, Any] | None:
            from fairlead.edge.app import routing  # noqa: PLC0415 - heavy, and few ask

            book = self._sources.routes()
            found = routing.success_cost(book.ledger, book.get(workload_id), now=book.now)
            return None if found is None else routing.success_json(found)

        return _json({"cost_per_success": await asyncio.to_thread(cost)})

    async def move_route(self, request: Request) -> Response:
        """Do something to a route by hand: advance it, take it back, hold it, release it."""
        wanted = await _read(request, RouteEvent)
        workload_id: str = request.path_params["workload_id"]
        if not wanted.why.strip() or len(wanted.why) > _LONGEST_WHY:
            raise UsageError(f"why must say why, in at most {_LONGEST_WHY:,} characters.")
        known = await asyncio.to_thread(lambda: {each.id for each in self._sources.ledger().workloads()})
        if workload_id not in known:
            raise NotFoundError("There is no workload with this id.")
        book = self._sources.routes
        moved = await asyncio.to_thread(
            lambda: book().by_hand(workload_id, Event(wanted.event), who="admin page", why=wanted.why)
        )
        return _json({"step": plain(moved.step)})

    async def reload(self, _: Request) -> Response:
        """Read the settings again; says what was wrong with them, and what of them holds from the next start only."""
        found = self._sources.reload()
        return _json(
            {"reloaded": not found.problem, "problem": found.problem, "from_next_start": list(found.from_next_start)}
        )


def overview_json(shown: Overview) -> dict[str, Any]:
    """The overview as JSON, with its sums."""
    return {**asdict(shown), "cost": shown.cost, "saved": shown.saved, "dropped_total": shown.dropped.total}


def key_json(key: Key) -> dict[str, Any]:
    """A key without its hashes."""
    times = {
        "created": key.created_us,
        "expires": key.expires_us,
        "revoked": key.revoked_us,
        "old_secret_until": key.old_until_us,
    }
    return {
        "id": key.id,
        "name": key.name,
        **asdict(key.limits),
        **{name: None if us is None else moment(us) for name, us in times.items()},
    }


def _made_json(made: Made) -> dict[str, Any]:
    return {"key": key_json(made.key), "secret": made.secret}


async def _read(request: Request, kind: type[Any]) -> Any:
    """The body as a record of this kind."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LARGEST_BODY:
            raise UsageError(f"The body is larger than {_LARGEST_BODY // 1024} kB.")
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise UsageError(f"The body is not what this path takes: {str(error)[:300]}.") from None


def _json(value: Any, *, status: int = 200) -> Response:
    body = msgspec.json.encode(value, enc_hook=_plain)
    return Response(body, status_code=status, headers={"content-type": "application/json", "cache-control": "no-store"})


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return plain(value)


def _error(status: int, message: str) -> Response:
    return _json({"error": {"status": status, "code": HTTPStatus(status).phrase, "message": message}}, status=status)


async def _no_path(_: Request, __: Exception) -> Response:
    return _error(404, "There is nothing at this path; GET /openapi.json lists what there is.")


async def _no_method(_: Request, error: Exception) -> Response:
    answer = _error(405, "This path does not take that method; GET /openapi.json lists what there is.")
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


_BODIES: Mapping[str, type[msgspec.Struct]] = {
    "create_key": KeyWanted,
    "rotate_key": Rotation,
    "move_route": RouteEvent,
}

# Method, path, handler, the statuses it answers with beside 401.
_TABLE: tuple[tuple[str, str, str, tuple[int, ...]], ...] = (
    ("GET", "/health", "health", (200,)),
    ("GET", "/ready", "ready", (200, 503)),
    ("GET", "/overview", "overview", (200, 503)),
    ("GET", "/upstreams", "upstreams", (200, 503)),
    ("GET", "/counters", "counters", (200, 503)),
    ("GET", "/metrics", "metrics", (200, 503)),
    ("GET", "/openapi.json", "openapi", (200,)),
    ("GET", "/keys", "list_keys", (200, 503)),
    ("POST", "/keys", "create_key", (201, 422, 503)),
    ("POST", "/keys/{key_id}/rotate", "rotate_key", (200, 404, 422, 503)),
    ("DELETE", "/keys/{key_id}", "revoke_key", (200, 404, 422, 503)),
    ("GET", "/routes", "list_routes", (200,)),
    ("GET", "/routes/{workload_id}/steps", "list_steps", (200, 503)),
    ("GET", "/routes/{workload_id}/cost", "cost_per_success", (200, 503)),
    ("POST", "/routes/{workload_id}/events", "move_route", (200, 404, 422, 503)),
    ("POST", "/reload", "reload", (200,)),
)


def document() -> dict[str, Any]:
    """The OpenAPI document, made from the table, the records that bodies are read into, and what handlers say of themselves."""
    _, components = msgspec.json.schema_components(_BODIES.values(), ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for method, path, name, statuses in _TABLE:
        paths.setdefault(path, {})[method.lower()] = _operation(name, path, statuses)
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["status", "code", "message"],
                "properties": {
                    "status": {"type": "integer"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fairlead admin page", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(name: str, path: str, statuses: tuple[int, ...]) -> dict[str, Any]:
    says: str = getattr(Admin, name).__doc__
    told: dict[str, Any] = {"operationId": name, "summary": says, "responses": {}}
    for status in (*statuses, 401):
        is_error = status >= 400 and (status, name) != (503, "ready")
        schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"} if is_error else {"type": "object"}
        kind = "text/plain" if name == "metrics" and status == 200 else "application/json"
        content = {kind: {"schema": {"type": "string"} if kind == "text/plain" else schema}}
        told["responses"][str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    parameters = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if parameters:
        told["parameters"] = [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for each in parameters
        ]
    if name in _BODIES:
        schema = {"$ref": f"#/components/schemas/{_BODIES[name].__name__}"}
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return told


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the control process has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone."""
        yield


async def serve(app: ASGIApp, *, port: int) -> None:
    """Serve the page on loopback until cancelled."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADMIN_HOST, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"The admin page cannot listen on {ADMIN_HOST}:{port}: {error.strerror}; name another with admin_port in [serve]."
        ) from None
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        listener.close()
