"""The office of a golden file, on a real socket: it answers as recorded, or fails as offices do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from creditlink.conformance.cases import Recorded


@dataclass(frozen=True)
class Question:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> object:
        """Return the body's JSON, None where it is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def form(self) -> Mapping[str, str]:
        """Return the fields of a form."""
        return dict(parse_qsl(self.content.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    """One answer as it goes out."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0.0
    hang_up: bool = False  # say how long the body is, and close half-way


Spoil = Callable[[Question, Answer], Answer]
NOT_RECORDED = 418
"""What a question is answered with that no golden file has."""


@dataclass
class ReplayedOffice:
    """Where the office listens, and what it was asked."""

    exchanges: tuple[Recorded, ...]
    secrets: Mapping[str, str]
    spoil: Spoil = lambda _question, answer: answer
    url: str = ""
    asked: list[Question] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # how questions differ from what was recorded

    def answer(self, question: Question) -> Answer:
        """Return what was recorded for the question that is most like it."""
        self.asked.append(question)
        alike = [one for one in self.exchanges if (one.method, one.path) == (question.method, question.path)]
        if not alike:
            self.strangers.append(f"{question.method} {question.path} is not recorded")
            return self.spoil(question, Answer(NOT_RECORDED, {}, b""))
        best = max(alike, key=lambda one: -len(self._differences(one, question)))
        self.strangers += self._differences(best, question)
        return self.spoil(question, Answer(best.status, best.answer_headers, best.body))

    def _differences(self, recorded: Recorded, question: Question) -> list[str]:
        place = f"{recorded.method} {recorded.path}"
        found = [
            f"{place}: query {name} is {question.query.get(name)!r}, recorded {recorded.query.get(name)!r}"
            for name in sorted({*recorded.query, *question.query})
            if question.query.get(name) != self._filled(recorded.query.get(name))
        ]
        held = {name.lower(): value for name, value in question.headers.items()}
        found += [
            f"{place}: header {name} is not as recorded"
            for name, value in recorded.headers.items()
            if held.get(name.lower()) != self._filled(value)
        ]
        if isinstance(recorded.content, Mapping):
            sent = question.json
            body = sent if isinstance(sent, Mapping) else {}
            found += [
                f"{place}: member {name} is {body.get(name)!r}, recorded {value!r}"
                for name, value in recorded.content.items()
                if body.get(name) != value
            ]
        sent_form = question.form if recorded.form else {}
        found += [
            f"{place}: field {name} is {sent_form.get(name)!r}, recorded {value!r}"
            for name, value in recorded.form.items()
            if sent_form.get(name) != self._filled(value)
        ]
        body_text = question.content.decode("utf-8", "replace") if recorded.says else ""
        found += [
            f"{place}: the body lacks {text!r}" for text in recorded.says if (self._filled(text) or "") not in body_text
        ]
        return found

    def _filled(self, text: str | None) -> str | None:
        """Return a recorded text with `{credential}` replaced by the kit's."""
        for name, secret in self.secrets.items():
            text = text.replace(f"{{{name}}}", secret) if text else text
        return text


@contextmanager
def replayed(exchanges: tuple[Recorded, ...], secrets: Mapping[str, str]) -> Iterator[ReplayedOffice]:
    """Serve recorded exchanges on a free port of this machine."""
    office = ReplayedOffice(exchanges, secrets)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes, and the second is not to wait for the first

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            answer = office.answer(Question(self.command, parts.path, query, dict(self.headers), content))
            if answer.delay:
                time.sleep(answer.delay)
            try:
                self._send(answer)
            except OSError:  # whoever asked is gone
                self.close_connection = True

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.hang_up else answer.body)
            self.close_connection = answer.hang_up

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 (the names that http.server looks for)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        office.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield office
        finally:
            server.shutdown()
            thread.join()


def with_body(answer: Answer, body: bytes) -> Answer:
    """Return an answer with another body."""
    return replace(answer, body=body)
