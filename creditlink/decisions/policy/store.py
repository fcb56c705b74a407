"""Policy bundles in the database: only added, each artefact kept once under its own hash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.decisions.policy import bundle as bundles
from creditlink.decisions.policy.bundle import BundleDocument, BundledPolicy
from creditlink.decisions.policy.loading import LoadedPolicy, load
from creditlink.decisions.tables import PolicyArtefact, PolicyBundle
from creditlink.kit.processes import runtime
from creditlink.kit.processes.runtime import Memory


def keep(session: Session, bundle: BundledPolicy, *, now: datetime) -> str:
    """Store a bundle with what it names, unless it is stored; return its hash.

    Costs one look at an index where it is stored, which it is but for the first decision after a change.
    """
    if session.scalar(select(PolicyBundle.sha256).where(PolicyBundle.sha256 == bundle.sha256)) is None:
        known = PolicyArtefact.sha256
        there = set(session.scalars(select(known).where(known.in_(list(bundle.artefacts)))))
        # In one order, so that two processes that store the same wait for each other and never both.
        new = [{"sha256": name, "content": bundle.artefacts[name]} for name in sorted(set(bundle.artefacts) - there)]
        if new:
            session.execute(insert(PolicyArtefact).values(new).on_conflict_do_nothing())
        row = {"sha256": bundle.sha256, "document": bundle.text, "added_at": now}
        session.execute(insert(PolicyBundle).values(row).on_conflict_do_nothing())
    return bundle.sha256


def read(session: Session, sha256: str) -> BundledPolicy:
    """Return a kept bundle with every artefact that it names, each checked against its hash.

    Raises
    ------
    LookupError
        There is none of that hash.
    PolicyDamaged
        It, or an artefact, is not what its hash says.
    """
    text = session.scalar(select(PolicyBundle.document).where(PolicyBundle.sha256 == sha256))
    if text is None:
        raise LookupError(f"policy bundle {sha256[:16]}… is not stored")
    document: BundleDocument = bundles.opened(sha256, text, {}).document
    wanted = select(PolicyArtefact.sha256, PolicyArtefact.content)
    wanted = wanted.where(PolicyArtefact.sha256.in_(bundles.hashes_in(document)))
    return bundles.opened(sha256, text, {row.sha256: row.content for row in session.execute(wanted)})


class LoadedPolicies(Memory[str, LoadedPolicy]):
    """The policies of the last bundles that were replayed, by hash."""


def loaded(session: Session, sha256: str) -> LoadedPolicy:
    """Return the policy of a bundle, loaded; errors as for `read` and `load`."""
    policies = runtime.process().get_or_make(LoadedPolicies, LoadedPolicies)
    return policies.get(sha256, lambda: load(read(session, sha256)))
