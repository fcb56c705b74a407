"""An indicator's lineage as a bank sees it. Pure."""

from __future__ import annotations

from creditlink.engine.facts.relief_policies import ReliefPolicy
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.kit import ids
from creditlink.profiles.lineage.facts import OfficeAnswer, ReadFact
from creditlink.profiles.lineage.service import Lineage, frames_json


def lineage_json(found: Lineage) -> dict[str, object]:
    """Return the answer. Instants are of the consent's own pulls; ids of facts, which two banks share, are not told."""
    profile, one = found.profile, BY_NAME[found.indicator]
    value, contribution, points = found.share
    return {
        "profile_id": ids.external("prf", profile.id),
        "as_of": profile.as_of,
        "model_id": profile.model_id,
        "code_version": profile.code_version,
        "indicator": {
            "name": one.name,
            "label_zh": one.label_zh,
            "label_en": one.label_en,
            "category": one.category,
            "categories": list(one.categories),
            "unit": one.unit,
            "window_months": one.window,
            "formula": one.formula,
            "source": one.source,
            "missing": one.missing,
            "version": one.version,
            "value": value,
            "contribution": contribution,
            "points_contribution": points,
        },
        "reads": [one for frame in found.reading.frames for one in frames_json(frame, profile.as_of)],
        "offices": [_office(answer) for answer in found.answers],
        "registration": _registration(found),
        "reference": [{"name": one.name, "value": one.value} for one in found.reference],
        "relief": [_relief(policy) for policy in found.relief],
        "facts": [_fact(fact) for fact in found.facts],
        "facts_total": found.total,
        "facts_purged": found.gone,
        "next_cursor": found.next_cursor,
    }


def _relief(policy: ReliefPolicy) -> dict[str, object]:
    zh, en = policy.words()
    return {**policy.to_dict(), "text_zh": zh, "text_en": en}


def _office(answer: OfficeAnswer) -> dict[str, object]:
    return {
        "office": answer.source,
        "pull_id": ids.external("pul", answer.pull_id),
        "status": answer.status,
        "finished_at": answer.finished_at,
    }


def _registration(found: Lineage) -> dict[str, object] | None:
    if not found.reading.registration:
        return None
    valid_from, known_on = found.registered or (None, None)
    stored = found.profile.registration
    return {
        "source": "registry",
        "values": [{"column": column, "value": stored.get(column)} for column in found.reading.registration],
        "valid_from": valid_from,
        "known_on": known_on,
    }


def _fact(fact: ReadFact) -> dict[str, object]:
    pull = None
    if fact.pull is not None:
        pull_id, finished_at = fact.pull
        pull = {"pull_id": ids.external("pul", pull_id), "finished_at": finished_at}
    return {
        "frame": fact.frame,
        "period": fact.period,
        "key": dict(fact.key),
        "read_for": fact.role,
        "values": dict(fact.values),
        "version": fact.version,
        "complete": fact.complete,
        "known_on": fact.known_on,
        "office": fact.source,
        "pull": pull,
    }
