"""House rules that no review should have to repeat."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections import defaultdict
from dataclasses import fields

import pytest
from sqlalchemy import BigInteger, DateTime, Float, Numeric

import creditlink
from creditlink.cli.main import COMMANDS
from creditlink.engine import vocabulary
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.kit import errors
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT, Settings

README = (ROOT / "README.md").read_text()
MOST_SIBLINGS = 12
NAMES_NOT_TAKEN = {"utils", "helpers", "common", "manager", "misc", "base"}


def _modules():
    return [
        m.name for m in pkgutil.walk_packages(creditlink.__path__, "creditlink.") if not m.name.endswith("__main__")
    ]


def _columns():
    for name in _modules():
        if name.endswith(".tables"):
            importlib.import_module(name)
    return [column for table in db.Base.metadata.tables.values() for column in table.columns]


def _problems():
    return [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.Problem)]


def test_every_v1_route_names_a_scope_or_is_open_on_purpose(app):
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1/")
        for view in [app.view_functions[rule.endpoint]]
        if not _states_access(view, rule.methods)
    ]
    assert silent == []


def _states_access(view, methods):
    target = view.view_class if hasattr(view, "view_class") else view
    if inspect.isclass(target):
        return all(hasattr(getattr(target, m.lower()), "required_scope") for m in methods - {"HEAD", "OPTIONS"})
    return hasattr(target, "required_scope")


def test_instants_carry_a_zone_and_end_in_at():
    for column in _columns():
        if isinstance(column.type, (DateTime, db.UTCDateTime)):
            assert isinstance(column.type, db.UTCDateTime), column
            assert re.search(r"(^|_)(at|from|until|expires|heartbeat)$", column.name), column


def test_money_is_integer_fen():
    for column in _columns():
        if re.search(r"amount|capital|fee|price|_fen", column.name):
            assert column.name.endswith("_fen"), column
            assert isinstance(column.type, BigInteger), column
        assert not isinstance(column.type, Numeric) or isinstance(column.type, Float), column


def test_every_constraint_has_a_name():
    for table in db.Base.metadata.tables.values():
        assert all(c.name for c in table.constraints), table


@pytest.mark.pure
@pytest.mark.parametrize("kind", _problems(), ids=lambda c: c.__name__)
def test_every_problem_is_in_the_readme(kind):
    assert f"`{kind.slug}`" in README


@pytest.mark.pure
def test_slugs_are_unique():
    slugs = [c.slug for c in _problems()]
    assert len(slugs) == len(set(slugs))


@pytest.mark.pure
@pytest.mark.parametrize("setting", [f.name for f in fields(Settings)])
def test_every_setting_is_in_the_readme(setting):
    assert f"`{setting}`" in README


def _help_of(command):
    below = getattr(command, "commands", {}).values()
    return "".join([command.help or "", *map(_help_of, below)])


@pytest.mark.pure
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    module, attribute = COMMANDS[command][0].split(":")
    found = getattr(importlib.import_module(module), attribute)
    assert found.help
    assert f"creditlink {command}" in README
    assert "\\b" not in _help_of(found), "click's mark for lines kept as they are, printed: a raw docstring"


@pytest.mark.pure
def test_no_module_is_named_by_nothing():
    assert [m for m in _modules() if m.rsplit(".", 1)[1] in NAMES_NOT_TAKEN] == []


@pytest.mark.pure
@pytest.mark.parametrize(
    ("call", "home"),
    [
        # What a bureau and its connector say to each other is their own form.
        (r"\.write_csv\(|csv\.writer|DictWriter", ("kit/files/csvexport.py", "sandbox/bureaus/utility.py")),
        (r"csv\.reader|DictReader|\.read_csv\(|\.scan_csv\(", ("kit/files/csvfile.py", "records/connectors/utility.py",
                                                              "training/table/file.py")),
        (r"(read|scan)_parquet|ParquetFile\(", ("kit/files/parquetfile.py", "screening/city/results.py")),
        (r"object_pairs_hook|def \w*no_(constant|repeats)\(", ("kit/files/textfile.py",)),
        (r"tomllib\.load\(|click\.File\(\"r\"\)", ()),
    ],
)  # fmt: skip
def test_files_of_people_are_read_and_written_in_one_place(call, home):
    package = ROOT / "creditlink"
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py") if re.search(call, path.read_text())
    }
    assert found <= set(home)


def _trees():
    package = ROOT / "creditlink"
    return {path.relative_to(package).as_posix(): ast.parse(path.read_text()) for path in package.rglob("*.py")}


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


EDGES = (
    "alembic", "authlib", "click", "flask", "httpx", "marshmallow", "procrastinate", "psycopg", "sqlalchemy",
    "structlog", "creditlink.kit.http", "creditlink.kit.postgres", "creditlink.kit.processes",
    "creditlink.kit.settings",
)  # fmt: skip


@pytest.mark.pure
def test_a_module_that_calls_itself_pure_is():
    """No web, no database, no settings by its imports; import-linter holds the engine, with all that it reaches."""
    pure = {name: tree for name, tree in _trees().items() if re.search(r"\b[Pp]ure\b", ast.get_docstring(tree) or "")}
    assert len(pure) > 60
    impure = [
        f"{name}: {imported}"
        for name, tree in pure.items()
        for imported in _imports(tree)
        if any(imported == edge or imported.startswith(edge + ".") for edge in EDGES)
    ]
    assert impure == []


@pytest.mark.pure
def test_the_engine_asks_neither_clock_nor_environment():
    asks = re.compile(r"\b(utc_now|datetime\.now|date\.today|time\.time|environ)\b")
    assert [str(p) for p in (ROOT / "creditlink" / "engine").rglob("*.py") if asks.search(p.read_text())] == []


@pytest.mark.pure
def test_every_class_has_a_name_of_its_own():
    homes = defaultdict(list)
    for name, tree in _trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name != "Meta":  # marshmallow's name for a schema's options
                homes[node.name].append(name)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


@pytest.mark.pure
def test_the_vocabulary_has_no_second_home():
    """No other module lists grades, categories, kinds or states again; what it says of each by a mapping is its own."""
    lists = {
        name: {str(one) for one in value}
        for name, value in vars(vocabulary).items()
        if name.isupper() and isinstance(value, tuple | dict) and name != "CAUSES"
    }
    assert {"GRADES", "CATEGORIES", "LIFE_CYCLE", "PRODUCT_KINDS", "TAXPAYER_GRADES"} <= set(lists)
    again = []
    for module, tree in _trees().items():
        for node in ast.walk(tree) if module != "engine/vocabulary.py" else ():
            written = set()
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                written = {e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)}
            again += [f"{module}: {name}" for name, codes in lists.items() if written and codes <= written]
    assert again == []


MOST_ANY = 60
"""How often the package may say `Any`: where JSON is parsed, and where a library's hook has no types."""


@pytest.mark.pure
def test_any_stays_at_the_edge():
    said = [
        f"{name}:{node.lineno}"
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert len(said) <= MOST_ANY, said


@pytest.mark.pure
def test_folders_have_few_siblings():
    """A dozen at most, but for the slices themselves and the commands, which are as many as there are nouns."""
    crowded = {}
    for folder in (ROOT / "creditlink").rglob("*"):
        if folder.is_dir() and folder.name != "cli":
            files = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
            rooms = [p for p in folder.iterdir() if p.is_dir() and any(p.glob("*.py"))]
            if len(files) + len(rooms) > MOST_SIBLINGS:
                crowded[str(folder)] = len(files) + len(rooms)
    assert crowded == {}


def test_modules_stay_readable():
    long = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "creditlink").rglob("*.py")
        if len(path.read_text().splitlines()) > 400
    ]
    assert long == []


@pytest.mark.pure
@pytest.mark.parametrize("indicator", CATALOGUE, ids=lambda i: i.name)
def test_every_indicator_is_published_in_full(indicator):
    assert indicator.label_zh
    assert indicator.label_en
    assert indicator.unit
    assert indicator.category
    assert indicator.dimension
    assert indicator.direction in (-1, 0, 1)
    assert indicator.formula
    assert indicator.source
    assert re.fullmatch(r"R\d{3}", indicator.reason_code)


KNOWN_HOSTS = re.compile(
    r"(127\.0\.0\.1|localhost|\[::1\]|([\w-]+\.)*example(\.(com|org|net))?|([\w-]+\.)+(test|invalid)"
    r"|json-schema\.org|www\.w3\.org)$"
)


@pytest.mark.pure
def test_texts_name_no_machine_and_no_foreign_host():
    """Nothing committed points at the machine it was written on, or at a host outside the field's standards."""
    hits = []
    # Tests are left out: they hold wrong addresses on purpose.
    for folder in ("creditlink", "config", "deploy", "docs", "benchmarks", "migrations", "notebooks", "models"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in {".py", ".md", ".toml", ".json", ".html", ".ipynb", ".txt"} or "vendor" in path.parts:
                continue
            written = path.read_text()
            hosts = re.findall(r"https?://(?:[^\s/@\"'<>`]*@)?(\[[^\]]*\]|[\w.-]+)", written)
            hits += [f"{path.relative_to(ROOT)}: {host}" for host in hosts if not KNOWN_HOSTS.match(host)]
            hits += [f"{path.relative_to(ROOT)}: {ROOT}" for _ in re.findall(re.escape(str(ROOT)), written)]
    assert hits == []
