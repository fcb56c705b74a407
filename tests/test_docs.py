"""The documents are true: what they name is there, and decision records follow their template."""

import ast
import json
import re
from functools import cache

import pytest

from creditlink.cli.main import COMMANDS
from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure

ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "CHANGELOG.md"),
]
HOMES = (ROOT, ROOT / "creditlink", ROOT / "tests", *(ROOT / "models").glob("city-*"))
"""Where a path in a document may begin."""
PACKAGE = ROOT / "creditlink"

FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?<![\w./:<-])(?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|conf|html)\b")
FOLDER = re.compile(r"(?:[\w-]+/)+")
IN_FILE = re.compile(r"((?:[\w-]+/)*[\w-]+\.py): ([\w.]+)")
TEST = re.compile(r"((?:[\w-]+/)*[\w-]+\.py)::([\w:]+)")
DOTTED = re.compile(r"(?<![\w./:@'-])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?![\w/<-])")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
SUFFIXES = {"py", "md", "toml", "json", "csv", "html", "ubj", "parquet", "conf", "mjs", "log"}
NOT_OURS = ("var/", "DIR/")
"""Folders that appear when something runs, and are named in examples."""


def _where(documents=DOCUMENTS):
    return pytest.mark.parametrize("document", documents, ids=lambda p: str(p.relative_to(ROOT)))


def _spans(document):
    return SPAN.findall(FENCE.sub("", document.read_text()))


def _found(path):
    return next((home / path for home in HOMES if (home / path).exists()), None)


@cache
def _names(path):
    """Return what a file defines: its own names, and `Class.name` for what is in a class."""
    return frozenset(_defined(ast.parse(path.read_text()).body, is_package=path.name == "__init__.py"))


def _defined(body, *, is_package=False):
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{inner}" for inner in _defined(node.body))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
        elif isinstance(node, ast.ImportFrom) and is_package:
            yield from (alias.asname or alias.name for alias in node.names)


@cache
def _modules():
    """Return every module and package: its dotted name without `creditlink` -> its file."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _classes():
    """Return every class -> the file that defines it; classes have names of their own."""
    return {name: path for path in _modules().values() for name in _names(path) if re.fullmatch(r"[A-Z]\w*", name)}


def _resolves(dotted):
    """Whether a dotted name leads to a module, or to what one defines; None: it begins with nothing of ours.

    It may begin with `creditlink`, with a slice, with a module's own name, or with a class.
    """
    whole = dotted.startswith("creditlink.")
    parts = dotted.removeprefix("creditlink.").split(".")
    if parts[0] in _classes():
        return ".".join(parts[:2]) in _names(_classes()[parts[0]])
    if whole or (PACKAGE / parts[0]).is_dir():
        return _leads("", parts)
    homes = [name for name in _modules() if name.rpartition(".")[2] == parts[0]]
    return any(_leads(home, parts[1:]) for home in homes) if homes else None


def _leads(home, rest):
    while rest and f"{home}.{rest[0]}".lstrip(".") in _modules():
        home, rest = f"{home}.{rest[0]}".lstrip("."), rest[1:]
    return not rest or ".".join(rest[:2]) in _names(_modules()[home])


@cache
def _code():
    return "\n".join(path.read_text() for folder in (PACKAGE, ROOT / "migrations") for path in folder.rglob("*.py"))


def _is_text(dotted):
    """Whether the code writes a dotted name as text: an event, a subject of a rule, a setting of the database."""
    head, _, last = dotted.rpartition(".")
    is_put_together = f'f"{head}.{{' in _code() and f'"{last}"' in _code()
    return is_put_together or re.search(rf"[\"']{re.escape(dotted)}[\"']", _code()) is not None


@_where()
def test_every_path_is_there(document):
    text = document.read_text()
    spans = [span for span in _spans(document) if FOLDER.fullmatch(span)]
    paths = [*PATH.findall(re.sub(r"\]\([^)]*\)", "]", text)), *spans]
    assert [p for p in paths if not p.startswith(NOT_OURS) and _found(p) is None] == []


@_where()
def test_every_link_leads_somewhere(document):
    text = SPAN.sub("", FENCE.sub("", document.read_text()))
    targets = [target for _, target in LINK.findall(text)]
    near = [target.split("#")[0] for target in targets if not target.startswith(("#", "http"))]
    assert [target for target in near if not (document.parent / target).exists()] == []


@_where()
def test_every_link_within_a_page_leads_to_a_heading(document):
    text = document.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert [t for _, t in LINK.findall(text) if t.startswith("#") and t[1:] not in headings] == []


@_where()
def test_every_picture_is_there_and_says_what_it_shows(document):
    pictures = PICTURE.findall(document.read_text())
    assert [path for alt, path in pictures if not alt or not (document.parent / path).exists()] == []


@_where()
def test_every_name_in_a_file_is_defined_there(document):
    named = [match for span in _spans(document) for match in IN_FILE.findall(span)]
    assert [f"{path}: {name}" for path, name in named if _found(path) and name not in _names(_found(path))] == []


@_where()
def test_every_test_is_there(document):
    gone = []
    for path, name in (match for span in _spans(document) for match in TEST.findall(span)):
        file = _found(path)
        if file is None or name.replace("::", ".") not in _names(file):
            gone.append(f"{path}::{name}")
    assert gone == []


@_where()
def test_every_dotted_name_is_there(document):
    """`creditlink.x.y`, `slice.module.name` and `module.name`; what begins with no module of ours is not judged."""
    dotted = {name for span in _spans(document) for name in DOTTED.findall(span)}
    judged = {name for name in dotted if name.split(".")[-1] not in SUFFIXES and not _is_text(name)}
    assert sorted(name for name in judged if _resolves(name) is False) == []


@_where()
def test_every_command_is_there(document):
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {t for span in _spans(document) for t in re.findall(r"^make ([a-z-]+)", span)} <= targets
    assert set(re.findall(r"`creditlink ([a-z]+)", text)) <= set(COMMANDS)


def test_the_sample_of_a_profile_has_members_that_profiles_have():
    sample = json.loads(re.search(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1])
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())["components"]["schemas"]
    assert _strangers(sample, document["Profile"], document) == []


def _strangers(value, schema, schemas, place=""):
    """Yield the places of a JSON value that a schema does not describe."""
    while "$ref" in schema or "anyOf" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema["anyOf"][0]
    if isinstance(value, list):
        return [found for one in value for found in _strangers(one, schema["items"], schemas, f"{place}[]")]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    is_open = schema.get("additionalProperties", not known) is not False
    strangers = [] if is_open else [f"{place}.{name}" for name in value if name not in known]
    within = (_strangers(value[name], known[name], schemas, f"{place}.{name}") for name in value if name in known)
    return [*strangers, *(one for found in within for one in found)]


class TestChecks:
    """The checks above find what is wrong, and not only what is right."""

    @pytest.mark.parametrize(
        ("dotted", "answer"),
        [
            ("creditlink.kit.errors", True),
            ("creditlink.kit.errors.Problem", True),
            ("kit.errors.Problem.slug", True),
            ("errors.Problem", True),
            ("creditlink.kit.errors.Nothing", False),
            ("creditlink.nowhere", False),
            ("kit.nowhere", False),
            ("errors.Nothing", False),
            ("errors.Problem.nothing", False),
            ("Problem.slug", True),
            ("Problem.nothing", False),
            ("somebody.elses", None),
        ],
    )
    def test_a_dotted_name(self, dotted, answer):
        assert _resolves(dotted) is answer

    def test_paths_are_seen_wherever_they_stand(self):
        written = "in `a/b.py: c()`, docs/adr/9999-none.md (`d.toml`) and `e/f.py::test_g`"
        assert PATH.findall(written) == ["a/b.py", "docs/adr/9999-none.md", "d.toml", "e/f.py"]
        assert IN_FILE.findall(written) == [("a/b.py", "c")]
        assert TEST.findall(written) == [("e/f.py", "test_g")]

    def test_what_is_not_there_is_not_found(self):
        assert _found("docs/adr/9999-none.md") is None
        assert "nothing" not in _names(ROOT / "creditlink" / "kit" / "errors.py")


SECTIONS = ["Context", "Decision", "Consequences"]


@_where(ADRS)
def test_decision_records_follow_the_template(document):
    number = document.name[:4]
    head, _, body = document.read_text().partition("\n## ")
    status = r"accepted|superseded by \[\d{4}\]\([\w-]+\.md\)[^\n]*"
    assert re.fullmatch(rf"# {number}\. [^\n]+\n\nDate: \d{{4}}-\d\d-\d\d\nStatus: (?:{status})\n", head)
    sections = [part.split("\n", 1)[0] for part in body.split("\n## ")]
    assert sections in (SECTIONS, [*SECTIONS, "Alternatives"])
    assert all(part.split("\n", 1)[1].strip() for part in body.split("\n## "))


def test_decision_records_are_numbered_without_gaps():
    assert [path.name[:4] for path in ADRS] == [f"{n:04}" for n in range(1, len(ADRS) + 1)]


def test_the_index_lists_every_decision_record():
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for path in ADRS:
        number, title = re.match(r"# (\d{4})\. (.*)", path.read_text()).groups()
        superseded = re.search(r"^Status: superseded by \[(\d{4})\]", path.read_text(), re.MULTILINE)
        status = f"superseded by {superseded[1]}" if superseded else "accepted"
        assert f"| [{number}]({path.name}) | {title} | {status} |" in index


def test_the_glossary_speaks_of_identifiers_that_the_code_uses():
    words = {
        word for path in (*PACKAGE.rglob("*.py"), ROOT / "migrations") if path.is_file()
        for word in re.findall(r"\w+", path.read_text())
    }  # fmt: skip
    rows = [
        line.split("|") for line in (ROOT / "docs" / "glossary.md").read_text().splitlines() if line.startswith("|")
    ]
    identifiers = [word for row in rows for span in SPAN.findall(row[-2]) for word in re.findall(r"\w+", span)]
    assert len(identifiers) > 50
    assert [word for word in identifiers if word not in words] == []


@pytest.mark.parametrize("rule", ["72 characters", "imperative", "one change"])
def test_the_rules_of_a_commit_are_stated(rule):
    assert rule in (ROOT / "CONTRIBUTING.md").read_text()
