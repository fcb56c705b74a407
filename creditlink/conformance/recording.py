"""Golden wire files made from the sandbox's offices: a connector talks to an office, and what was said is written down.

What must come of a conversation is what the connector makes of it when it is replayed; the difference to the committed
file is reviewed like code. Credentials are the kit's placeholders from the start, so that no file holds one.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import flask
import httpx
from werkzeug.serving import make_server

from creditlink.conformance.bench import SOURCE, Bench
from creditlink.conformance.cases import read_cases
from creditlink.records.connectors.wire import TimeLimits, Wire
from creditlink.records.offices.factory import ConnectorFactory, OfficeAccess
from creditlink.records.offices.installed import factories
from creditlink.records.pulls.delivery import Delivery
from creditlink.sandbox.bureaus.serving import CREDENTIALS_OF, bureau_app
from creditlink.sandbox.offices import scripted
from creditlink.sandbox.offices.scripted import CORRECTED, LONG, LONG_SINCE, PLAIN, QUIET, SINCE, STRANGER, UNTIL
from creditlink.sandbox.offices.serving import FRAMES, office_apps

PAGE_ROWS = 4
"""Rows that the connector asks for at once in the case of several pages, where the dialect lets it say."""

_PATIENT = TimeLimits(read_seconds=60, total_seconds=120, attempts=1)
"""An office that compiles its loops first is not asked twice: a question is written down once."""

_PASSING = ("sjc", "sign")
"""Fields of a form that are new with each request."""

_BUREAUS = {"tax": "tax", "electricity": "utility", "water": "utility", "gas": "utility"}
"""Office -> the bureau that plays it."""

OFFICES = (*FRAMES, *_BUREAUS)
"""Every office whose golden files are made here."""

_RESOURCES = 5
"""The tax bureau's: a fault is to spoil the answer of each, and is taken once by each."""

_ANSWERED = ("content-type", "etag", "link", "x-complete", "x-record", "x-total-count")
_ELEMENT = re.compile(r"<(\w+)>[^<]*</\1>")


@dataclass(frozen=True)
class Scene:
    """One case to record: whom it is about, and how the office behaves."""

    kind: str
    about: str
    firm: int
    since: date = SINCE
    fault: str | None = None
    denied: bool = False
    page_size: int | None = None


SCENES = (
    Scene("delivered", "a few months", PLAIN),
    Scene("paged", "more rows than a page has", LONG, since=LONG_SINCE, page_size=PAGE_ROWS),
    Scene("corrected", "a month and its correction", CORRECTED),
    Scene("partial", "the office leaves rows out and says so", PLAIN, fault="partial"),
    Scene("no_record", "a firm that the office does not know", STRANGER),
    Scene("empty", "a firm with rows of years ago only", QUIET),
    Scene("bad_rows", "an impossible day, and good rows beside it", PLAIN, fault="malformed"),
    Scene("denied", "the office does not let us in", PLAIN, denied=True),
)


_BUREAU_SCENES = tuple(
    Scene("bad_rows", "an impossible day, a word for a number, a field left out, and good rows beside them", LONG,
          since=LONG_SINCE, fault="malformed") if scene.kind == "bad_rows" else scene
    for scene in SCENES
)  # fmt: skip


@dataclass
class _Heard:
    """What was said at an office's door, in order."""

    exchanges: list[dict[str, object]] = field(default_factory=list)


def record_office(name: str, to: Path) -> list[Path]:
    """Write the golden files of one of `OFFICES` into a folder; return them.

    Raises
    ------
    KeyError
        There is no such office.
    """
    factory = factories()[name]
    to.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as folder:
        city = Path(folder) / "city"
        scripted.write_scripted(city)
        for scene in _scenes(name):
            path = to / f"{scene.kind}.json"
            path.write_text(_text(_recorded(factory, city, scene)), encoding="utf-8")
            written.append(path)
    for path, expected in zip(written, _expectations(factory, to), strict=True):
        case = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(_text(case | {"expect": expected}), encoding="utf-8")
    return written


def _scenes(name: str) -> tuple[Scene, ...]:
    return _BUREAU_SCENES if name in _BUREAUS else SCENES


def _text(case: Mapping[str, object]) -> str:
    return json.dumps(case, ensure_ascii=False, indent=1) + "\n"


def _recorded(factory: ConnectorFactory, city: Path, scene: Scene) -> dict[str, object]:
    uscc = scripted.usccs()[scene.firm]
    held = {key: "another" if scene.denied else f"{{{key}}}" for key in factory.credentials}
    app = _office(factory.name, city, held)
    heard = _Heard()
    with _listening(app, heard) as url:
        if scene.fault:
            wanted = {"uscc": uscc, "mode": scene.fault, "times": _RESOURCES if factory.name == "tax" else 1}
            httpx.post(f"{url}/_faults", json=wanted, trust_env=False).raise_for_status()
            heard.exchanges.clear()
        placeholders = {key: f"{{{key}}}" for key in factory.credentials}

        def open_wire(auth: httpx.Auth | None) -> Wire:
            return Wire(url, _PATIENT, auth=auth)

        connector = factory.build(OfficeAccess(SOURCE, placeholders, open_wire, page_size=_page_size(factory, scene)))
        try:
            connector.fetch(uscc, since=scene.since, until=UNTIL, proceed=lambda: True)
        finally:
            connector.close()
    size = _page_size(factory, scene)
    return {
        "about": scene.about,
        "kind": scene.kind,
        "uscc": uscc,
        "since": scene.since.isoformat(),
        "until": UNTIL.isoformat(),
        **({} if size is None else {"page_size": size}),
        "exchanges": heard.exchanges,
        "expect": {"status": ""},
    }


def _office(name: str, city: Path, held: Mapping[str, str]) -> flask.Flask:
    """Return an office's application, which lets in whoever has what is `held`."""
    bureau = _BUREAUS.get(name)
    prefix = f"CREDITLINK_BUREAU_{CREDENTIALS_OF[bureau] if bureau else name}"
    env = {f"{prefix}_{key}".upper(): value for key, value in held.items()}
    return bureau_app(bureau, city, None, env) if bureau else office_apps(city, [name], env)[name]


def _page_size(factory: ConnectorFactory, scene: Scene) -> int | None:
    return None if factory.name == "import_export" else scene.page_size  # whose pages have always a hundred rows


@contextmanager
def _listening(app: flask.Flask, heard: _Heard) -> Iterator[str]:
    """Serve an office on a free port, and write down what is said."""

    @app.after_request
    def note(response: flask.Response) -> flask.Response:
        heard.exchanges.append({"request": _request(flask.request), "response": _response(response)})
        return response

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def _request(sent: flask.Request) -> dict[str, object]:
    said: dict[str, object] = {"method": sent.method, "path": sent.path}
    if sent.args:
        said["query"] = sent.args.to_dict()
    if headers := {name: value for name, value in sent.headers.items() if "{" in value}:
        said["headers"] = headers
    if sent.form:
        said["form"] = {name: value for name, value in sent.form.items() if name not in _PASSING}
    elif sent.is_json:
        said["json"] = sent.get_json()
    elif body := sent.get_data(as_text=True):
        said["says"] = [found[0] for found in _ELEMENT.finditer(body)]
    return said


def _response(response: flask.Response) -> dict[str, object]:
    body = response.get_data()
    headers = {name: value for name, value in response.headers.items() if name.lower() in _ANSWERED}
    said: dict[str, object] = {"status": response.status_code, "headers": headers}
    if response.is_json:
        return said | {"json": json.loads(body)}
    try:
        return said | {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return said | {"base64": base64.b64encode(body).decode()}


def _expectations(factory: ConnectorFactory, folder: Path) -> Iterator[dict[str, object]]:
    """Yield what comes of each scene when it is replayed, in their order."""
    bench = Bench(factory)
    cases = {case.kind: case for case in read_cases(folder)}
    for scene in _scenes(factory.name):
        case = cases[scene.kind]
        with bench.facing(case) as (connector, _):
            yield _expected(bench.fetch(connector, case))


def _expected(got: Delivery) -> dict[str, object]:
    facts: Iterable[dict[str, object]] = (
        {
            "frame": fact.frame,
            "period": fact.period.isoformat(),
            "subkey": fact.subkey,
            "version": fact.version,
            "known_at": fact.known_at.isoformat(),
            "complete": fact.complete,
            "values": fact.values,
        }
        for fact in got.facts
    )
    rejects = [{"resource": one.resource, "field": one.field} for one in got.rejects]
    return {"status": got.status, "facts": list(facts), "rejects": rejects}
