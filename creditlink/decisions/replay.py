"""Decisions made again from their records, and every place where the result is not the one on record. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from creditlink.decisions.policy.bundle import PolicyDamaged, differences
from creditlink.decisions.policy.loading import LoadedPolicy
from creditlink.decisions.policy.running import running
from creditlink.decisions.record import DecisionRecord, RecordInvalid
from creditlink.engine.profile import content
from creditlink.engine.profile.basis import decide_again
from creditlink.engine.profile.snapshot import Snapshot

MOST_DIFFERENCES = 50
_ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One member of a decision that came out otherwise."""

    member: str  # a path: `summary.reasons.0.code`
    stored: object
    replayed: object


@dataclass(frozen=True)
class ReplayedDecision:
    """What a replay of one decision found."""

    decision: str  # dec_…
    same: bool
    stored_sha256: str
    replayed_sha256: str
    differences: tuple[Difference, ...]
    bundle: str
    computed_by: tuple[str, ...]  # code and libraries here that are not those of the bundle, as paths

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self)) | {
            "differences": [dict(vars(one)) for one in self.differences],
            "computed_by": list(self.computed_by),
        }


def replay_many(records: Sequence[DecisionRecord], policy_of: Callable[[str], LoadedPolicy]) -> list[ReplayedDecision]:
    """Make decisions again, those of one bundle at once, and compare each with its record.

    Parameters
    ----------
    policy_of : bundle -> its policy, loaded

    Raises
    ------
    PolicyDamaged
        A record's products are not those of its bundle, or its model reads an indicator that the record lacks.
    RecordInvalid
        A record has no basis that can be read, or was sealed when it could not be made again.
    """
    of_bundle: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        of_bundle[record.bundle].append(place)
    found: dict[int, ReplayedDecision] = {}
    for bundle, places in of_bundle.items():
        policy = policy_of(bundle)
        here = tuple(differences(policy.bundle.document, running(policy.bundle.document)))
        cases = []
        for place in places:
            case = records[place].case()
            if not policy.has_products(case.asked["products"]):
                raise PolicyDamaged(f"bundle {bundle[:16]}…: its products are not those of the record")
            cases.append(case)
        try:
            again = decide_again(cases, live=policy.live, book=policy.book, approval=policy.approval)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordInvalid(f"under bundle {bundle[:16]}… it cannot be computed: {error}") from error
        for place, snapshot in zip(places, again, strict=True):
            found[place] = _compared(records[place], snapshot, here)
    return [found[place] for place in range(len(records))]


def _compared(record: DecisionRecord, again: Snapshot, here: tuple[str, ...]) -> ReplayedDecision:
    row = record.row
    stored_sha256, version = str(row["content_sha256"]), int(str(row["content_version"]))
    decision = again.sha256
    replayed_sha256 = content.content_sha256(row, version=version, decision=decision)
    # The second: a record that was changed and still states the hash of before is not the same either.
    same = replayed_sha256 == stored_sha256 and content.decision_sha256(row) == decision
    found = [] if same else list(_members(record, again))
    return ReplayedDecision(
        decision=f"dec_{str(row['id']).replace('-', '')}",
        same=same,
        stored_sha256=stored_sha256,
        replayed_sha256=replayed_sha256,
        differences=tuple(found[:MOST_DIFFERENCES]),
        bundle=record.body["bundle"],
        computed_by=here,
    )


def _members(record: DecisionRecord, again: Snapshot) -> Iterator[Difference]:
    for name in content.DECISION:
        yield from _differences(name, record.profile[name], getattr(again, name))
    if record.matches != again.matches:
        yield Difference("matches", f"{len(record.matches)} bytes", f"{len(again.matches)} bytes, others")


def _differences(path: str, stored: object, replayed: object) -> Iterator[Difference]:
    if isinstance(stored, Mapping) and isinstance(replayed, Mapping):
        for name in sorted({*stored, *replayed}):
            yield from _differences(f"{path}.{name}", stored.get(name, _ABSENT), replayed.get(name, _ABSENT))
    elif isinstance(stored, list | tuple) and isinstance(replayed, list | tuple):
        for place in range(max(len(stored), len(replayed))):
            yield from _differences(
                f"{path}.{place}",
                stored[place] if place < len(stored) else _ABSENT,
                replayed[place] if place < len(replayed) else _ABSENT,
            )
    elif stored != replayed:
        yield Difference(path, stored, replayed)
