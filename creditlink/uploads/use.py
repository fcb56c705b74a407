"""What a profile draws on of a firm's own files: gaps that no office has filled, where the bank accepts it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.engine.profile.asked import UploadInputs
from creditlink.engine.scoring.limits.contradicted import ContradictionJson
from creditlink.engine.vocabulary import missing_words
from creditlink.kit import ids
from creditlink.kit.clock import day_of, month_start, start_of_day
from creditlink.records.coverage import CategoryCoverage, UploadCoverage, UploadedFile
from creditlink.records.store import StoredFact
from creditlink.uploads.comparison import usable
from creditlink.uploads.rules import UploadRules
from creditlink.uploads.standing import CATEGORY, as_stored, office_answers, office_facts, uploaded_fact
from creditlink.uploads.tables import Upload, UploadCheck, UploadedFact

CATEGORIES = (CATEGORY,)
"""The categories of which a firm may upload its own records."""

_WORST_LAST = ("confirmed", "uploaded", "contradicted")


@dataclass(frozen=True)
class UploadsFound:
    """What of a firm's own files is there for a profile."""

    facts: tuple[StoredFact, ...] = ()
    files: tuple[UploadedFile, ...] = ()
    contradicted: tuple[ContradictionJson, ...] = field(default=())

    @property
    def categories(self) -> frozenset[str]:
        """Return the categories of which the profile draws on uploads."""
        return frozenset(fact.category for fact in self.facts)

    def inputs(self) -> UploadInputs | None:
        """Return what a replay needs; None where nothing was there."""
        if not self.files:
            return None
        return {"fact_ids": [fact.id for fact in self.facts], "contradicted": list(self.contradicted)}

    def mark(self, coverage: dict[str, CategoryCoverage]) -> None:
        """Say in the coverage what came from the firm itself, and what an office says of it."""
        if not self.files:
            return
        entry = coverage[CATEGORY]
        office, status = entry["source"], entry["status"]
        if self.facts:
            entry["status"], entry["source"] = "uploaded", "uploaded"
        state = max((one["verdict"] for one in self.files), key=_WORST_LAST.index)
        zh, en = self._words(status)
        entry["uploads"] = UploadCoverage(
            state=state, rows=len(self.facts), office=office, office_status=status, files=list(self.files),
            text_zh=zh, text_en=en,
        )  # fmt: skip

    def _words(self, status: str) -> tuple[str, str]:
        zh, en = [], []
        if self.facts:
            why_zh, why_en = missing_words(status)
            first, last = (f"{pick(fact.period for fact in self.facts):%Y-%m}" for pick in (min, max))
            zh.append(f"税务数据中有{len(self.facts)}条由企业自行上传（{first}至{last}），未经税务机关确认：{why_zh}。")
            en.append(
                f"{len(self.facts)} of the tax records ({first} to {last}) were uploaded by the firm itself and are "
                f"not confirmed by the tax office: {why_en}."
            )
        for one in self.files:
            if one["verdict"] == "contradicted":
                zh.append(f"企业于{one['uploaded_on']}上传的文件与税务机关的数据不一致，以税务机关的数据为准。")
                en.append(
                    f"The file uploaded on {one['uploaded_on']} does not agree with the tax office, whose records "
                    "count."
                )
            elif one["verdict"] == "confirmed":
                zh.append(f"企业于{one['uploaded_on']}上传的文件已与税务机关的数据核对一致。")
                en.append(f"The file uploaded on {one['uploaded_on']} agrees with the tax office.")
        return "".join(zh), " ".join(en)


NOTHING = UploadsFound()


def find(
    session: Session,
    enterprise_id: UUID,
    *,
    offices: Collection[str],
    office_is_whole: bool,
    since: date,
    as_of: date,
    salt: str,
    rules: UploadRules,
    now: datetime,
) -> UploadsFound:
    """Return what of a firm's own files a profile may draw on, and what its office says of them.

    Parameters
    ----------
    offices : the sources that hold the category for this firm
    office_is_whole : the office has answered in full and freshly: then nothing is drawn on, only compared
    since, as_of : the months and the day of the profile
    salt : of the institution, whose `file_hmac` differs from another's
    """
    known = start_of_day(as_of + timedelta(days=1))
    kept = now - timedelta(days=rules.kept_days)
    query = select(Upload).where(
        Upload.enterprise_id == enterprise_id, Upload.uploaded_at < known, Upload.uploaded_at > kept,
        Upload.state.in_(("taken", "withdrawn")),
    )  # fmt: skip
    uploads = session.scalars(query.order_by(Upload.uploaded_at.desc(), Upload.id)).all()
    periods = _periods(session, uploads)
    chosen: list[UploadedFact] = []
    # Who is contradicted is not believed about other months either.
    trusted = [one for one in uploads if one.state == "taken" and not one.asks_review]
    if trusted and not office_is_whole:
        chosen = _chosen(session, trusted, enterprise_id, offices, since=since, as_of=as_of, rules=rules, now=now)
    used: dict[UUID, int] = {}
    for row in chosen:
        used[row.upload_id] = used.get(row.upload_id, 0) + 1
    told = [one for one in uploads if one.id in used or periods.get(one.id)]
    return UploadsFound(
        facts=tuple(as_stored(chosen)),
        files=tuple(_file(one, used.get(one.id, 0), salt) for one in told),
        contradicted=tuple(
            ContradictionJson(category=CATEGORY, uploaded_on=f"{day_of(one.uploaded_at)}", periods=periods[one.id])
            for one in told
            if one.asks_review and periods.get(one.id)
        ),
    )


def again(session: Session, fact_ids: Collection[int]) -> list[StoredFact]:
    """Return the uploaded facts of an earlier profile."""
    query = select(UploadedFact).where(UploadedFact.id.in_(list(fact_ids))).order_by(UploadedFact.id)
    return as_stored(session.scalars(query).all())


def _chosen(
    session: Session,
    uploads: Sequence[Upload],
    enterprise_id: UUID,
    offices: Collection[str],
    *,
    since: date,
    as_of: date,
    rules: UploadRules,
    now: datetime,
) -> list[UploadedFact]:
    order = {one.id: place for place, one in enumerate(uploads)}
    query = select(UploadedFact).where(
        UploadedFact.upload_id.in_(order), UploadedFact.settled_at.is_(None), UploadedFact.period >= month_start(since),
        UploadedFact.period <= as_of,
    )  # fmt: skip
    rows = {row.id: row for row in session.scalars(query)}
    newest_first = sorted(rows.values(), key=lambda row: (order[row.upload_id], row.frame, row.period, row.subkey))
    free = usable(
        [uploaded_fact(row) for row in newest_first],
        # What is known by now settles a period, whatever the profile's day is.
        office_facts(session, enterprise_id, as_of=day_of(now)),
        office_answers(session, enterprise_id, offices),
        rules,
    )
    return sorted((rows[one.id] for one in free), key=lambda row: (row.frame, row.period, row.subkey))


def _periods(session: Session, uploads: Sequence[Upload]) -> dict[UUID, int]:
    """Return by upload how many periods its office has spoken of: those that differ, or, where none does, all."""
    differs = func.count().filter(UploadCheck.outcome != "same")
    query = (
        select(UploadCheck.upload_id, differs, func.count())
        .where(UploadCheck.upload_id.in_([one.id for one in uploads]))
        .group_by(UploadCheck.upload_id)
    )
    return {upload_id: different or every for upload_id, different, every in session.execute(query)}


def _file(upload: Upload, used: int, salt: str) -> UploadedFile:
    found = UploadedFile(
        file_hmac=ids.pairwise_digest(salt, upload.sha256), layout=upload.layout or "",
        uploaded_on=f"{day_of(upload.uploaded_at)}", verdict=upload.verdict, asks_review=upload.asks_review, rows=used,
    )  # fmt: skip
    if upload.first_month and upload.last_month:
        found["first_month"], found["last_month"] = f"{upload.first_month:%Y-%m}", f"{upload.last_month:%Y-%m}"
    return found
