"""The copy-paste examples, as a developer saves them, against a running server: each ends with a profile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from creditlink.kit.settings import ROOT
from creditlink.portal.developers import examples
from creditlink.sandbox.banks.keys import new_key
from creditlink.sandbox.people.representative import Representative
from tests.developers.conftest import HOME, Developer

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
WEBHOOK = {"curl": "webhook ours", "python": "webhook True", "typescript": "webhook true", "java": "webhook true"}


@pytest.fixture
def folder(platform, tmp_path):
    """A developer's folder: their private key, and every example as the page gives it."""
    app, issuer, _firms = platform
    developer, key = Developer(app.test_client()), new_key("ES256")
    developer.join("dev@example.com")
    developer.register(key)
    # A page that answers stands for the developer's own program at its loopback address.
    developer.get(f"{HOME}/")
    assert developer.post(f"{HOME}/addresses", addresses=f"{issuer}/health/live").status_code == 303
    (tmp_path / "creditlink-key.pem").write_bytes(key.as_pem(private=True))
    for language in examples.LANGUAGES:
        saved = developer.get(f"{HOME}/examples/{language.slug}/file")
        assert not re.search("@[A-Z_]+@", saved.text)
        (tmp_path / language.file).write_text(saved.text)
    return tmp_path


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    """TypeScript at its locked version."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests" / "developers" / "typescript" / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "node_modules"


def run(folder: Path, *command: str, given: str = "") -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "no_proxy": "*"}
    done = subprocess.run(command, cwd=folder, env=env, input=given, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def prepared(language: str, folder: Path, request) -> list[str]:
    """Return the command that runs an example, after its types are checked where it has some."""
    if language == "curl":
        return ["bash", "creditlink.sh"]
    if language == "python":
        return [sys.executable, "creditlink.py"]
    tool = {"typescript": "npm", "java": "javac"}[language]
    if shutil.which(tool) is None:
        assert not os.environ.get("CI"), f"CI needs {tool}"
        pytest.skip(f"{tool} is not installed")
    if language == "java":
        run(folder, "javac", "-Xlint:all", "-Werror", "CreditLink.java")
        return ["java", "CreditLink"]
    modules = request.getfixturevalue("compiler")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(modules)
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"]
    run(folder, "node", str(modules / "typescript" / "bin" / "tsc"), *options, "--types", "node", "creditlink.ts")
    return ["node", "creditlink.js"]


@pytest.mark.parametrize("language", [one.slug for one in examples.LANGUAGES])
def test_ends_with_a_profile(folder, language, request):
    said = run(folder, *prepared(language, folder, request))
    assert re.search(r"profile prf_[0-9a-f]{32} grade A\+?", said), said
    assert "matches" in said
    assert WEBHOOK[language] in said


@pytest.mark.parametrize("language", ["curl", "python"])
def test_goes_through_the_browser_too(folder, platform, language, request):
    """The address is opened by a person who acts for the firm; where they are sent back to is pasted."""
    _app, issuer, firms = platform
    command = [*prepared(language, folder, request), "browser"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "no_proxy": "*"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=folder, env=env, text=True, **pipes)
    person = Representative(firms[0], issuer)
    try:
        person.decide(re.search(r"http://\S+", process.stdout.readline())[0])
        said, _ = process.communicate(person.browser.url + "\n", timeout=100)
    finally:
        process.kill()
        process.wait()
        person.close()
    assert re.search(r"profile prf_[0-9a-f]{32} grade", said), said


@pytest.mark.pure
def test_each_has_the_same_steps_and_says_them_all():
    steps = [[name for name, _ in examples.steps(one.source.read_text())] for one in examples.LANGUAGES]
    assert steps == [["setup", "inbox", "profile", "matches", "browser", "webhook", "run"]] * len(steps)
