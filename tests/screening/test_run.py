"""A screening: equal to the API firm by firm, resumed after a kill, past a corrupt partition, on any engine."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from datetime import date

import numpy as np
import polars as pl
import pytest

from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS, RecordSet
from creditlink.engine.matching.match import ELIGIBLE, UNDETERMINED
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.snapshot import snapshot
from creditlink.screening.city import run
from creditlink.screening.city.engines import Cluster, InProcess, Processes
from creditlink.screening.city.plan import tools
from creditlink.screening.city.results import Results, ResultsUnusable
from tests.screening.conftest import AS_OF, FIRMS, NOW, PARTS, frames_of

pytestmark = [pytest.mark.pure, pytest.mark.long]


def same(first, second):
    assert first.keys() == second.keys()
    for name, frame in first.items():
        assert frame.equals(second[name]), name


class TestEquality:
    def test_every_firm_is_what_the_api_computes_for_it_alone(self, town, screened, make_plan):
        used = tools(make_plan(town, screened))
        result = pl.concat(frames_of(screened).values())
        assert result.height == FIRMS
        records = {name: pl.read_parquet(town / name / "*.parquet") for name in FRAME_SCHEMAS}
        manifest = json.loads((screened / "manifest.json").read_text())
        for firm in range(0, FIRMS, 7):
            alone = RecordSet.of(**{n: f.filter(pl.col("firm") == firm) for n, f in records.items()})
            profile = profile_many(alone, as_of=AS_OF, live=used.live, book=used.book)
            row = result.row(firm, named=True)
            assert row["firm"] == firm
            assert row["pd_12m"] == profile.scores.pd_12m[0]
            assert row["points"] == profile.scores.points[0]
            assert row["grade"] == profile.scores.grade[0]
            assert row["eligible"] == (profile.matches.states == ELIGIBLE).sum()
            assert row["undetermined"] == (profile.matches.states == UNDETERMINED).sum()
            best = [manifest["products"][row[f"product_{k}"]] for k in range(1, 6) if row[f"product_{k}"] >= 0]
            assert best == [match.product.code for match in profile.matches.explain(0).top(5)]
            for name in manifest["subjects"]:
                expected = profile.matches.subjects.number(name)[0]
                assert row[name] == (None if np.isnan(expected) else expected), name

    def test_reasons_are_those_of_the_stored_profile(self, town, screened, make_plan):
        used = tools(make_plan(town, screened))
        result = pl.concat(frames_of(screened).values())
        records = {name: pl.read_parquet(town / name / "*.parquet") for name in FRAME_SCHEMAS}
        names = json.loads((screened / "manifest.json").read_text())["reasons"]
        told = 0
        for firm in range(3, FIRMS, 31):
            alone = RecordSet.of(**{n: f.filter(pl.col("firm") == firm) for n, f in records.items()})
            held = {c: bool(sum(alone.frame(f).height for f in frames)) for c, frames in CATEGORY_FRAMES.items()}
            profile = profile_many(alone, as_of=AS_OF, live=used.live, book=used.book)
            missing = {category: "no_record" for category, there in held.items() if not there}
            made = snapshot(profile, 0, live=used.live, missing=missing)
            if made.grade is None:
                assert not result["scored"][firm]
                continue
            adverse = [reason["group"] for reason in made.summary["reasons"]]
            row = result.row(firm, named=True)
            assert [names[row[f"reason_{k}"]] for k in range(1, 5) if row[f"reason_{k}"] >= 0] == adverse
            told += len(adverse)
        assert told > 10

    def test_the_manifest_says_what_it_was_made_of(self, town, screened):
        manifest = json.loads((screened / "manifest.json").read_text())
        stated = json.loads((town / "manifest.json").read_text())["sha256"]
        assert manifest["state"] == "complete"
        assert manifest["firms"] == FIRMS
        assert manifest["inputs"].items() <= stated.items()
        assert {name.split("/")[0] for name in manifest["inputs"]} == set(FRAME_SCHEMAS)
        assert set(manifest["versions"]) == {"creditlink", "numba", "numpy", "polars", "xgboost"}


class TestSummary:
    def test_counts_add_up_and_few_firms_are_hidden(self, screened):
        summary = json.loads((screened / "summary.json").read_text())
        result = pl.concat(frames_of(screened).values())
        assert summary["firms"] == FIRMS
        counted = dict(result.filter("scored").group_by(pl.col("grade").cast(pl.String)).len().rows())
        for grade, count in summary["grades"].items():
            if grade != "not_scored":
                assert count == (counted[grade] if counted[grade] >= 10 else None)
        numbers = [n for by in ("industry", "region", "size") for row in summary[f"grades_by_{by}"].values()
                   for n in row.values()]  # fmt: skip
        numbers += [row[name] for row in summary["products"] for name in ("eligible", "undetermined", "pushed")]
        assert None in numbers
        assert not [n for n in numbers if n is not None and 0 < n < 10]

    def test_lists_are_read_when_asked_for(self, screened):
        results = Results(str(screened))
        high, white = results.firms_on("high_risk"), results.firms_on("whitelist")
        assert high["pd_12m"].is_sorted(descending=True)
        assert set(white["grade"].cast(pl.String).unique()) <= {"A+", "A"}
        assert not set(high["firm"]) & set(white["firm"])
        product = max(json.loads((screened / "summary.json").read_text())["products"], key=lambda p: p["pushed"] or 0)
        pushed = results.push_list(product["product"])
        assert pushed.height == product["pushed"]
        assert pushed["place"].is_sorted()
        with pytest.raises(KeyError):
            results.push_list("NO-SUCH")


class TestResume:
    def test_a_killed_run_goes_on_where_it_stood(self, town, screened, make_plan, tmp_path):
        """The process is killed with SIGKILL while it writes its second partition."""
        code = (
            "import os, signal, sys, pickle\n"
            "from creditlink.screening.city import partition, run, storage\n"
            "from creditlink.screening.city.engines import InProcess\n"
            "from tests.screening.conftest import NOW\n"
            "write = os.replace\n"
            "def dying(source, target):\n"
            "    if str(target).endswith('firms/part-00001.parquet'):\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    write(source, target)\n"
            "storage.os.replace = dying\n"
            "run.screen(pickle.load(open(sys.argv[1], 'rb')), InProcess(), now=NOW)\n"
        )
        plan = make_plan(town, tmp_path / "out")
        (tmp_path / "plan").write_bytes(pickle.dumps(plan))
        done = subprocess.run([sys.executable, "-c", code, tmp_path / "plan"], env=dict(os.environ), check=False)
        assert done.returncode == -signal.SIGKILL
        firms = tmp_path / "out" / "firms"
        assert [p.name for p in firms.glob("part-*")] == [PARTS[0]]  # none half-written
        with pytest.raises(ResultsUnusable, match="not finished"):
            Results(str(tmp_path / "out"))
        kept = (firms / PARTS[0]).stat().st_mtime_ns
        outcome = run.screen(plan, InProcess(), now=NOW)
        assert outcome.manifest["partitions_resumed"] == 1
        assert (firms / PARTS[0]).stat().st_mtime_ns == kept
        undisclosed = {name: frame.drop("discoverable") for name, frame in frames_of(screened).items()}
        same({n: f.drop("discoverable") for n, f in frames_of(tmp_path / "out").items()}, undisclosed)

    def test_another_plan_does_not_mix_with_what_is_there(self, town, screened, make_plan):
        with pytest.raises(run.AnotherRun, match="another screening"):
            run.screen(make_plan(town, screened, as_of=AS_OF.replace(day=1)), InProcess(), now=NOW)


class TestCorruption:
    @pytest.mark.parametrize("stated", [True, False])
    def test_a_corrupt_partition_is_named_and_set_aside(self, town, make_plan, tmp_path, stated):
        shutil.copytree(town, tmp_path / "town")
        broken = tmp_path / "town" / "meter_months" / PARTS[1]
        whole = broken.read_bytes()
        broken.write_bytes(whole[: len(whole) // 2])
        plan = make_plan(tmp_path / "town", tmp_path / "out", **({} if stated else {"stated": {}}))
        outcome = run.screen(plan, InProcess(), now=NOW)
        assert list(outcome.rejected) == [PARTS[1]]
        assert f"meter_months/{PARTS[1]}" in outcome.rejected[PARTS[1]]
        assert outcome.manifest["state"] == "incomplete"
        assert outcome.manifest["firms"] == FIRMS * 2 // 3
        assert sorted(frames_of(tmp_path / "out")) == [PARTS[0], PARTS[2]]
        broken.write_bytes(whole)
        assert not run.screen(plan, InProcess(), now=NOW).rejected

    def test_a_firm_that_is_not_registered_sets_its_partition_aside(self, town, make_plan, tmp_path):
        shutil.copytree(town, tmp_path / "town")
        path = tmp_path / "town" / "registration" / PARTS[2]
        pl.read_parquet(path)[1:].write_parquet(path)
        outcome = run.screen(make_plan(tmp_path / "town", tmp_path / "out", stated={}), InProcess(), now=NOW)
        assert list(outcome.rejected) == [PARTS[2]]
        assert "is not in the registration" in outcome.rejected[PARTS[2]]

    @pytest.mark.parametrize(
        ("frame", "column", "value", "told"),
        [
            ("invoice_months", "direction", None, "column direction is null in row 2"),
            ("meter_months", "kind", None, "column kind is null in row 2"),
            ("property_grants", "kind", None, "column kind is null in row 2"),
            ("credit_events", "kind", None, "column kind is null in row 2"),
            ("payroll_months", "period", date(1, 1, 1), "column period is 0001-01-01, not between"),
            ("meter_months", "usage", float("inf"), "column usage is inf, not between"),
            (
                "registration",
                "region",
                "somewhere",
                "column region is 'somewhere', not 6 digits of GB/T 2260, in row 2",
            ),
        ],
    )
    def test_a_value_that_cannot_be_sets_its_partition_aside(
        self, town, make_plan, tmp_path, frame, column, value, told
    ):
        shutil.copytree(town, tmp_path / "town")
        path = tmp_path / "town" / frame / PARTS[1]
        whole = pl.read_parquet(path)
        assert whole.height > 2
        at = pl.int_range(pl.len()) == 2
        changed = pl.when(at).then(pl.lit(value, whole.schema[column])).otherwise(pl.col(column)).alias(column)
        whole.with_columns(changed).write_parquet(path)
        engine = Processes(2) if column == "direction" else InProcess()  # a crash would take a worker along
        outcome = run.screen(make_plan(tmp_path / "town", tmp_path / "out", stated={}), engine, now=NOW)
        assert list(outcome.rejected) == [PARTS[1]]
        assert outcome.rejected[PARTS[1]].startswith(f"{frame}/{PARTS[1]}: {told}")
        assert outcome.manifest["firms"] == FIRMS * 2 // 3

    @pytest.mark.parametrize("others", [True, False])
    def test_a_partition_of_no_firms_is_screened_and_the_others_finish(self, town, make_plan, tmp_path, others):
        shutil.copytree(town, tmp_path / "town")
        for frame in FRAME_SCHEMAS:
            path = tmp_path / "town" / frame / PARTS[1]
            if frame == "registration" or others:
                pl.read_parquet(path).clear().write_parquet(path)
            else:
                path.unlink()
        outcome = run.screen(make_plan(tmp_path / "town", tmp_path / "out", stated={}), InProcess(), now=NOW)
        assert (outcome.rejected, outcome.manifest["firms"]) == ({}, FIRMS * 2 // 3)
        results = Results(str(tmp_path / "out"))
        assert results.columns(["firm", "grade", "product_1"]).height == FIRMS * 2 // 3
        assert results.firms_on("high_risk").height >= 0

    def test_a_city_of_no_firms_is_one_of_zero(self, town, make_plan, tmp_path):
        path = tmp_path / "town" / "registration" / PARTS[0]
        path.parent.mkdir(parents=True)
        pl.read_parquet(town / "registration" / PARTS[0]).clear().write_parquet(path)
        outcome = run.screen(make_plan(tmp_path / "town", tmp_path / "out", stated={}), InProcess(), now=NOW)
        assert (outcome.rejected, outcome.manifest["firms"]) == ({}, 0)


class TestEngines:
    def test_processes_give_the_same(self, town, screened, make_plan, tmp_path):
        run.screen(make_plan(town, tmp_path), Processes(2), now=NOW)
        expected = frames_of(screened)
        same({n: f.drop("discoverable") for n, f in frames_of(tmp_path).items()},
             {n: f.drop("discoverable") for n, f in expected.items()})  # fmt: skip

    def test_a_cluster_started_for_the_run_gives_the_same(
        self, town, screened, make_plan, tmp_path, socket_enabled, monkeypatch
    ):
        """Also when the answer of a partition is lost with its worker: it is asked for again."""
        distributed = pytest.importorskip("distributed")
        fetch, lost = distributed.Future.result, []

        def loses_the_first(future, *arguments, **options):
            if not lost:
                lost.append(future.key)
                raise RuntimeError("the answer is gone")
            return fetch(future, *arguments, **options)

        monkeypatch.setattr(distributed.Future, "result", loses_the_first)
        outcome = run.screen(make_plan(town, tmp_path), Cluster("local", 2), now=NOW)
        assert lost
        assert not outcome.rejected
        same({n: f.drop("discoverable") for n, f in frames_of(tmp_path).items()},
             {n: f.drop("discoverable") for n, f in frames_of(screened).items()})  # fmt: skip

    def test_a_day_before_any_product_was_on_offer(self, town, make_plan, tmp_path):
        run.screen(make_plan(town, tmp_path / "out", products=()), InProcess(), now=NOW)
        assert Results(str(tmp_path / "out")).columns(["firm", "pd_12m"]).height == FIRMS

    @pytest.mark.parametrize("remote", [False, True])
    def test_a_damaged_result_is_named(self, screened, tmp_path, remote):
        shutil.copytree(screened, tmp_path / "out")
        part = tmp_path / "out" / "firms" / PARTS[0]
        part.write_bytes(part.read_bytes()[:-9])
        with pytest.raises(ResultsUnusable, match="firms: "):
            Results(f"file://{tmp_path}/out" if remote else str(tmp_path / "out")).columns(["firm"])

    def test_a_remote_file_system_gives_the_same(self, town, screened, make_plan):
        fsspec = pytest.importorskip("fsspec")
        system = fsspec.filesystem("memory")
        system.put(f"{town}/", "/town", recursive=True)
        plan = make_plan("memory://town", "memory://out")
        run.screen(plan, InProcess(), now=NOW)
        found = Results("memory://out").columns(["firm", "pd_12m", "product_1"])
        expected = pl.concat(frames_of(screened).values()).select("firm", "pd_12m", "product_1")
        assert found.equals(expected)

    @pytest.mark.parametrize("victim", ["busy", "has the plan"])
    def test_a_lost_worker_of_a_cluster_changes_nothing(
        self, town, screened, make_plan, tmp_path, socket_enabled, victim
    ):
        """After the first partition a worker is killed: one at another partition, or the only one with the plan."""
        distributed = pytest.importorskip("distributed")
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1", memory_limit=0
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.wait_for_workers(2)
            killed = []

            def kill(done, total, firms):
                if done and not killed:
                    chosen = busy() if victim == "busy" else last_with_the_plan()
                    os.kill(client.run(os.getpid)[chosen], signal.SIGKILL)
                    killed.append(chosen)

            def busy():
                return next(worker for worker, tasks in client.processing().items() if tasks)

            def last_with_the_plan():
                """What the cluster does every two seconds: drop all copies but one."""
                client.amm.run_once()
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline:
                    (plan_of,) = [where for key, where in client.who_has().items() if "plan_of_the_run" in key]
                    if len(plan_of) == 1:
                        return plan_of[0]
                    time.sleep(0.01)
                raise AssertionError("the plan was not reduced to one copy")

            plan = make_plan(town, tmp_path)
            outcome = run.screen(plan, Cluster(cluster.scheduler_address, 2), now=NOW, progress=kill)
        assert killed
        assert not outcome.rejected
        same({n: f.drop("discoverable") for n, f in frames_of(tmp_path).items()},
             {n: f.drop("discoverable") for n, f in frames_of(screened).items()})  # fmt: skip
