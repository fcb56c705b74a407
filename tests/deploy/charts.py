"""A reader of the chart's templates where there is no `helm`: the few actions that they use, and no others.

`{{ .Values.a.b }}`, pipes to `quote`, `toYaml` and `nindent`, `include`, `define`, `if … else … end`. What it does not
know it refuses, so that a template that this cannot show is not thought to be right.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

_ACTION = re.compile(r"(?P<before>\s*)\{\{-(?P<trimmed>.*?)(?P<end>-?)\}\}|\{\{(?P<plain>.*?)(?P<end2>-?)\}\}", re.S)
_DEFINED = re.compile(r'\{\{-? define "([\w.]+)" -?\}\}(.*?)\{\{-? end -?\}\}(?=\s*(?:\{\{-? define|\Z))', re.S)


def rendered(chart: Path, *, release: str = "cl", **changed: object) -> dict[str, list[dict]]:
    """Return the documents of each template; `changed` are values by their path, `api__replicas`."""
    values = yaml.safe_load((chart / "values.yaml").read_text())
    for path, value in changed.items():
        *way, last = path.split("__")
        place = values
        for step in way:
            place = place[step]
        assert last in place, path
        place[last] = value
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    root = {"Values": values, "Release": {"Name": release}, "Chart": {"AppVersion": str(about["appVersion"])}}
    defined: dict[str, str] = {}
    for file in sorted(chart.glob("templates/*.tpl")):
        for name, body in _DEFINED.findall(file.read_text()):
            defined[name] = body.strip()
    return {
        file.name: [one for one in yaml.safe_load_all(_run(file.read_text(), root, defined)) if one]
        for file in sorted(chart.glob("templates/*.yaml"))
    }


def _run(text: str, root: dict, defined: dict[str, str]) -> str:
    out, at = [], 0
    showing = [True]
    for action in _ACTION.finditer(text):
        between = text[at : action.start()]
        if showing[-1]:
            out.append(between)
            if action["trimmed"] is None and action["before"]:
                out.append(action["before"])
        at = action.end()
        said = (action["trimmed"] if action["trimmed"] is not None else action["plain"]).strip()
        assert (action["end"] or action["end2"] or "") == "", f"not known: {action[0]}"
        if condition := re.fullmatch(r"if (\S+)", said):
            showing.append(showing[-1] and bool(_value(condition[1], root, defined)))
        elif said == "else":
            showing[-1] = len(showing) > 1 and showing[-2] and not showing[-1]
        elif said == "end":
            showing.pop()
        elif showing[-1]:
            out.append(str(_piped(said, root, defined)))
    assert len(showing) == 1, "an `if` without its end"
    return "".join([*out, text[at:]])


def _piped(said: str, root: dict, defined: dict[str, str]) -> object:
    first, *pipes = (part.strip() for part in said.split("|"))
    value = _value(first, root, defined)
    for pipe in pipes:
        if pipe == "quote":
            value = '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        elif by := re.fullmatch(r"nindent (\d+)", pipe):
            value = "\n" + "\n".join(" " * int(by[1]) + line if line else line for line in str(value).splitlines())
        else:
            raise AssertionError(f"not known: {pipe}")
    return value


def _value(said: str, root: dict, defined: dict[str, str]) -> object:
    if included := re.fullmatch(r'include "([\w.]+)" \.', said):
        return _run(defined[included[1]], root, defined)
    if made := re.fullmatch(r"toYaml (\.\S+)", said):
        return yaml.safe_dump(_value(made[1], root, defined), sort_keys=False).rstrip("\n")
    assert re.fullmatch(r"\.[\w.]+", said), f"not known: {said}"
    value: object = root
    for step in said[1:].split("."):
        assert isinstance(value, dict), said
        assert step in value, f"no value {said}"
        value = value[step]
    return value
