"""What a firm is warned of before it sends a request, and its lenders are told with it: the same codes. Pure.

Nothing is blocked. A lender learns that there is more, and neither where nor how much.
"""

from __future__ import annotations

from collections.abc import Mapping

WARNINGS: Mapping[str, tuple[str, str, str, str]] = {
    "several_requests": (
        "贵企业还有其他融资申请在办",
        "Your firm has other requests for financing open",
        "该企业在本平台还有其他在办的融资申请",
        "The firm has other requests for financing open here",
    ),
    "receivable_twice": (
        "同一应收账款也用于贵企业的另一项申请：一笔应收账款只能担保一笔贷款",
        "The same receivable is in another request of yours: it can secure one loan only",
        "申请所列应收账款同时用于该企业的另一项申请",
        "A receivable of this request is in another request of the firm too",
    ),
    "over_capacity": (
        "所申请金额连同其他在办申请，超过按贵企业经营数据推算的可承受额度",
        "What you ask for, with your other open requests, is more than your firm's own figures can bear",
        "所申请金额连同该企业在本平台的其他申请和未清贷款，超过按其经营数据推算的可承受额度",
        "The amount, with what else the firm asks for and owes here, is more than its figures can bear",
    ),
}
"""Code -> how the firm reads it, in zh and en, and how a lender does."""


def warnings_for(
    asked_fen: int, *, bearable_fen: int | None, others_fen: int, others: int, receivable_twice: bool
) -> list[str]:
    """Return the codes for a request.

    Parameters
    ----------
    bearable_fen : the largest loan of the term asked for that the firm's figures can bear beside what it owes here;
        None: too little is known, and nothing is said of it.
    others_fen, others : asked for in its other open requests, and how many there are.
    receivable_twice : a receivable of this request is in another one of the firm.
    """
    found = {
        "several_requests": others > 0,
        "receivable_twice": receivable_twice,
        "over_capacity": bearable_fen is not None and asked_fen + others_fen > bearable_fen,
    }
    return [code for code, applies in found.items() if applies]
