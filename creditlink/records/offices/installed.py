"""Every dialect at hand: the built-in ones, and those of installed packages; all of them whole, or no start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata

from creditlink.kit.files.text import printable
from creditlink.kit.settings import SettingError
from creditlink.records.offices.builtin import BUILT_IN
from creditlink.records.offices.factory import GROUP, ConnectorFactory


def factories(points: Iterable[metadata.EntryPoint] | None = None) -> Mapping[str, ConnectorFactory]:
    """Return dialect -> its factory.

    Parameters
    ----------
    points : the entry points of installed packages; None: those of this environment.

    Raises
    ------
    SettingError
        A package's entry point does not import, is no factory or takes a name that is taken; the message names the
        package and the cause.
    """
    found = {factory.name: factory for factory in BUILT_IN}
    homes = dict.fromkeys(found, "creditlink itself")
    for point in _once(metadata.entry_points(group=GROUP) if points is None else points):
        home = _package(point)
        factory = _load(point, home)
        if factory.name in found:
            raise SettingError(
                f"package {home}: the connector {factory.name!r} is offered by {homes[factory.name]} already"
            )
        found[factory.name], homes[factory.name] = factory, home
    return found


def _once(points: Iterable[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
    """Return each entry point once: a package that two folders of the path describe is still one."""
    return list({(_package(point), point.name, point.value): point for point in points}.values())


def _load(point: metadata.EntryPoint, home: str) -> ConnectorFactory:
    place = f"package {home}, entry point {point.name!r} of {GROUP}"
    try:
        factory = point.load()
    except (Exception, SystemExit) as error:  # a package may fail in any way while it is imported
        raise SettingError(f"{place} does not load: {type(error).__name__}: {printable(str(error))}") from error
    if not isinstance(factory, ConnectorFactory):
        raise SettingError(f"{place} is a {type(factory).__name__}, not a ConnectorFactory")
    if factory.name != point.name:
        raise SettingError(f"{place} has a factory of another name, {factory.name!r}")
    return factory


def _package(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value.partition(":")[0]
