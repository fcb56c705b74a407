"""An offer's terms: what the firm would pay in all, and the hash that freezes them. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from decimal import Decimal

from creditlink.engine.matching.offers.cost import annual_rate_bps, cash_flows, fee_fen
from creditlink.engine.rounding import round_half_away
from creditlink.engine.vocabulary import REPAYMENTS
from creditlink.financing.requests.ask import AMOUNT_FEN, TERM_MONTHS

_RANGES = {
    "amount_fen": AMOUNT_FEN,
    "term_months": TERM_MONTHS,
    "rate_bps": (0, 10_000),
    "fee_fen": (0, AMOUNT_FEN[1]),
    "cooling_off_days": (0, 60),
    "subsidy_bps": (0, 10_000),
}


class TermsInvalid(ValueError):
    """A term of an offer is out of range or unknown; `field` names it."""

    def __init__(self, field: str, value: object, problem: str) -> None:
        self.field, self.value, self.problem = field, value, problem
        super().__init__(f"field {field!r}: value {value!r}: {problem}")


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What a lender promises until the offer lapses: amounts in fen, the rate in basis points a year."""

    amount_fen: int
    term_months: int
    rate_bps: int
    fee_fen: int = 0  # once, taken out of what is paid out
    repayment: str = "equal_instalment"
    cooling_off_days: int = 3  # after signing the firm may step back for nothing
    conditions: str = ""
    subsidy_bps: int = 0  # what a public programme pays of the interest, a year: the product's own

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise TermsInvalid(name, value, f"must lie within {least} … {most}")
        if self.repayment not in REPAYMENTS:
            raise TermsInvalid("repayment", self.repayment, f"must be one of {', '.join(REPAYMENTS)}")
        if self.fee_fen >= self.amount_fen:
            raise TermsInvalid("fee_fen", self.fee_fen, f"must be below amount_fen = {self.amount_fen}")

    def flows(self, *, subsidised: bool = True) -> list[float]:
        """Return what the firm gets (first) and pays (negative, month by month), for one unit of principal."""
        return cash_flows(
            rate_bps=self.rate_bps,
            fees_bps=self._fees_bps,
            term_months=self.term_months,
            repayment=self.repayment,
            subsidy_bps=self.subsidy_bps if subsidised else 0,
        )

    @property
    def fees_bps(self) -> int:
        """The fees, of the amount, to the nearest basis point."""
        return round_half_away(Decimal(self.fee_fen * 10_000) / self.amount_fen)

    @property
    def _fees_bps(self) -> float:
        """What the fees cost by: a product's own share, where they are that share in whole fen."""
        is_share = self.fee_fen == fee_fen(self.amount_fen, self.fees_bps)
        return self.fees_bps if is_share else self.fee_fen / self.amount_fen * 10_000

    @property
    def yearly_cost_bps(self) -> int:
        """The yearly rate of all costs after the subsidy, in basis points.

        Source: People's Bank of China, Announcement [2021] No. 3: the yearly rate, by the internal rate of return.
        """
        return round_half_away(Decimal(annual_rate_bps(self.flows())))

    @property
    def total_cost_fen(self) -> int:
        """All that the firm pays beyond what it gets, after the subsidy, if the loan runs as agreed."""
        return round_half_away(Decimal(-sum(self.flows()) * self.amount_fen))

    @property
    def subsidy_fen(self) -> int:
        """What the public programme pays, if the loan runs as agreed."""
        saved = sum(self.flows()) - sum(self.flows(subsidised=False))
        return round_half_away(Decimal(saved * self.amount_fen))

    def to_dict(self) -> dict[str, object]:
        """Return the terms with what follows from them."""
        return asdict(self) | {
            "fees_bps": self.fees_bps,
            "yearly_cost_bps": self.yearly_cost_bps,
            "total_cost_fen": self.total_cost_fen,
            "subsidy_fen": self.subsidy_fen,
        }

    def sha256(self, *, application: str, valid_until: str) -> str:
        """Return the hash under which the offer is frozen: for this application, until that instant."""
        frozen = self.to_dict() | {"application": application, "valid_until": valid_until}
        text = json.dumps(frozen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
