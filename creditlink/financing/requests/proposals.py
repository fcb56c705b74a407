"""What a firm could get: the catalogue matched to the firm's own records, for the firm's own eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from sqlalchemy.orm import Session

from creditlink.engine.capacity.derivation import Capacity, derive_capacity
from creditlink.engine.capacity.evidence import cash_evidence
from creditlink.engine.capacity.settings import CapacitySettings
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.facts.relief_policies import ReliefBook
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.outcomes import ProductMatch
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import profile_many
from creditlink.enterprises.tables import Enterprise
from creditlink.financing.requests.ask import MOST_LENDERS, FinancingAsk
from creditlink.financing.requests.order import ProposalNeed, in_order, needs_relief
from creditlink.financing.requests.requests import LenderDesk
from creditlink.financing.requests.standing import had_no_loan, loans_of_all
from creditlink.kit.clock import add_months, month_start
from creditlink.records.store import read_inputs

LOOK_BACK_MONTHS = 36
SHOWN = 8
_ANY = ProposalNeed(relief=True, first_loan=False)


@dataclass(frozen=True)
class Proposal:
    """One product of a lender that takes requests here, as it would come out for the firm."""

    terms: ProductTerms
    desk: LenderDesk
    match: ProductMatch


@dataclass(frozen=True)
class Proposals:
    """What to choose from, best first, and what is nearly within reach."""

    open: tuple[Proposal, ...]  # eligible, then those that only missing records keep from being decided
    near: tuple[Proposal, ...]
    need: ProposalNeed = _ANY  # what moved products in the order
    capacity: Capacity | None = None  # what the firm can bear beside what it owes here; None: not derived

    def of_different_lenders(self, count: int) -> tuple[Proposal, ...]:
        """Return the best product of each of the `count` best lenders: what the platform itself proposes."""
        best: dict[str, Proposal] = {}
        for one in self.open:
            best.setdefault(one.terms.institution_code, one)
        return tuple(best.values())[:count]


def proposals_for(
    session: Session,
    enterprise: Enterprise,
    ask: FinancingAsk,
    *,
    live: LiveModel,
    book: ProductBook,
    desks: Mapping[str, LenderDesk],
    as_of: date,
    without: frozenset[str] = frozenset(),
    approval: ApprovalModel | None = None,
    relief: ReliefBook | None = None,
    capacity: CapacitySettings | None = None,
) -> Proposals:
    """Return the products to propose, as `order` says; lenders without a desk here are left out.

    The firm's own records are read, as far as they were ever fetched; nothing is disclosed to anybody.

    Parameters
    ----------
    without : product codes that are before a lender already.
    """
    inputs = read_inputs(
        session,
        [enterprise.id],
        categories=[name for name in CATEGORIES if name != "registration"],
        since=add_months(month_start(as_of), -LOOK_BACK_MONTHS),
        as_of=as_of,
    )
    profiles = profile_many(
        inputs.records,
        as_of=as_of,
        live=live,
        book=book,
        ask=Ask(ask.amount_fen, ask.term_months),
        approval=approval,
        relief=relief.on(as_of) if relief else (),
    )
    firm = profiles.matches.explain(0)

    def is_offered(terms: ProductTerms) -> bool:
        return terms.institution_code in desks and terms.code not in without

    def proposed(match: ProductMatch) -> Proposal:
        return Proposal(match.product, desks[match.product.institution_code], match)

    indicators = profiles.features.row(0, named=True)
    number = int(indicators["firm"])
    need = ProposalNeed(
        relief=needs_relief(
            str(profiles.scores.grade[0]) if profiles.scores.grade[0] else None,
            indicators,
            under_policy=any(applied.is_for(number) for applied in profiles.relief),
        ),
        first_loan=had_no_loan(session, enterprise.id),
    )
    # Only what is shown is put into words. What meets every condition comes before what is undecided, whatever moves.
    published = [firm.book.products[position] for position in firm.order]
    eligible, possible = firm.count("eligible"), firm.count("eligible") + firm.count("undetermined")
    moved = in_order(published[:eligible], need)
    moved += [eligible + k for k in in_order(published[eligible:possible], need)]
    lenders = [published[rank].institution_code if is_offered(published[rank]) else None for rank in moved]
    ranks = [moved[place] for place in ranks_to_show(lenders)]
    near = (proposed(match) for match in firm.near_misses(len(firm)) if is_offered(match.product))
    return Proposals(
        tuple(proposed(firm[rank]) for rank in ranks),
        tuple(islice(near, SHOWN)),
        need,
        None if capacity is None else _bearable(session, enterprise, inputs.records, indicators, ask, capacity, as_of),
    )


def _bearable(
    session: Session,
    enterprise: Enterprise,
    records: RecordSet,
    indicators: Mapping[str, float | None],
    ask: FinancingAsk,
    settings: CapacitySettings,
    as_of: date,
) -> Capacity:
    """Return what the firm can bear, derived as for a bank's profile, beside what it owes all lenders here."""
    return derive_capacity(
        cash_evidence(records, indicators, as_of),
        settings.terms_for(records.registration["industry"][0]),
        loans=loans_of_all(session, enterprise.id, as_of),
        missing={},
        asked_months=ask.term_months,
    )


def ranks_to_show(lenders: Sequence[str | None]) -> list[int]:
    """Return which ranks to show: the best, and further down the best of each lender that is not among them.

    Parameters
    ----------
    lenders : by rank, whose product it is; None: not to be shown.
    """
    ranks = [rank for rank, lender in enumerate(lenders) if lender is not None]
    shown, seen = ranks[:SHOWN], {lenders[rank] for rank in ranks[:SHOWN]}
    for rank in ranks[SHOWN:]:
        if lenders[rank] not in seen and len(seen) < MOST_LENDERS:
            seen.add(lenders[rank])
            shown.append(rank)
    return shown
