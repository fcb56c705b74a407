"""What an installation is started from, held together: images, compose, units, chart, dashboards, alert rules."""

import json
import re
import shutil
import subprocess
from collections import defaultdict

import click
import pytest
import yaml

from creditlink.cli.main import COMMANDS, cli
from creditlink.kit.processes import metrics
from creditlink.kit.settings import ROOT, survey
from creditlink.portal.site import FILE_PATHS
from creditlink.records.offices.configuration import faults_of
from creditlink.records.offices.installed import factories
from tests.deploy.charts import rendered

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "creditlink"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
OURS = ("migrate", "api", "worker")
MADE_BY_THE_OPERATOR = {"creditlink.env", "tls", "secrets/postgres", "secrets/owner", "secrets/app",
                        "secrets/replication", "secrets/metrics", "secrets/grafana"}  # fmt: skip


def example():
    lines = (DEPLOY / "creditlink.env.example").read_text().splitlines()
    return dict(line.lstrip("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line))


def unknown(env):
    settings, faults = survey({"CREDITLINK_ENVIRONMENT": "sandbox", **env})
    return [one for one in [*faults, *faults_of(settings, env)] if "unknown variable" in one]


@pytest.mark.pure
class TestSettings:
    def test_the_example_names_only_settings_that_the_code_reads(self):
        assert unknown(dict.fromkeys(example(), "")) == []
        assert unknown({**example(), "CREDITLINK_SECRETKEY": ""}), "the check sees a wrong one"

    def test_the_example_has_every_credential_of_every_office(self):
        wanted = {
            f"CREDITLINK_BUREAU_{name}_{key}".upper()
            for name, factory in factories().items()
            for key in ("url", *factory.credentials)
        }
        assert wanted <= set(example())

    @pytest.mark.parametrize("service", COMPOSE["services"])
    def test_every_variable_of_the_compose_file_is_one(self, service):
        env = COMPOSE["services"][service].get("environment", {})
        assert unknown({name: "" for name in env if name.startswith(("CREDITLINK_", "DATABASE"))}) == []

    def test_every_variable_of_the_image_and_the_chart_is_one(self):
        said = re.findall(r"\b(CREDITLINK_[A-Z_]+)=", (DEPLOY / "Containerfile").read_text())
        assert len(said) == 2
        settings = yaml.safe_load((CHART / "values.yaml").read_text())["settings"]
        assert unknown(dict.fromkeys([*said, *settings], "")) == []


@pytest.mark.pure
class TestImage:
    def instructions(self):
        text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
        return [line.split(None, 1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]

    def test_every_base_has_a_version(self):
        arguments = dict(words.split("=", 1) for name, words in self.instructions() if name == "ARG")
        bases = [words.split()[0] for name, words in self.instructions() if name == "FROM"]
        named = [re.sub(r"\$\{(\w+)\}", lambda one: arguments[one[1]], base) for base in bases]
        assert [base for base in named if not re.fullmatch(r"[\w./-]+:\d[\w.-]*", base)] == []

    def test_what_is_copied_is_there_and_what_runs_is_copied(self):
        copied = {
            source for name, words in self.instructions() if name == "COPY" and "--from" not in words
            for source in words.split()[:-1]
        }  # fmt: skip
        assert [source for source in copied if not (ROOT / source).exists()] == []
        assert {"creditlink", "config", "migrations", "models", "asgi.py", "wsgi.py"} <= copied

    def test_it_runs_as_nobodys_user_and_says_how_it_is(self):
        last = dict(self.instructions())
        uid = last["USER"].split(":")[0]
        assert uid.isdigit()
        assert int(uid) >= 10_000
        assert "/health/live" in last["HEALTHCHECK"]
        assert json.loads(last["CMD"])[0] in COMMANDS

    def test_packages_are_those_of_the_lock_by_their_hashes(self):
        installs = [words for name, words in self.instructions() if name == "RUN" and "pip install" in words]
        assert "--require-hashes" in installs[0]
        assert all("--no-deps" in words or "--require-hashes" in words for words in installs)

    def test_hadolint_finds_nothing(self):
        if shutil.which("hadolint") is None:
            pytest.skip("there is no hadolint on this machine; the rules above hold")
        assert subprocess.run(["hadolint", DEPLOY / "Containerfile"], check=False).returncode == 0


@pytest.mark.pure
class TestCompose:
    @pytest.mark.parametrize("service", COMPOSE["services"])
    def test_images_have_a_version(self, service):
        assert re.search(r":v?\d", COMPOSE["services"][service]["image"])

    @pytest.mark.parametrize("service", OURS)
    def test_ours_are_read_only_without_powers_and_run_commands_that_exist(self, service):
        said = COMPOSE["services"][service]
        assert (said["read_only"], said["cap_drop"]) == (True, ["ALL"])
        assert "no-new-privileges:true" in said["security_opt"]
        assert said.get("command", ["run"])[0] in COMMANDS

    def test_what_is_mounted_is_there_or_is_the_operators(self):
        mounted = {
            volume.split(":")[0].removeprefix("./")
            for service in COMPOSE["services"].values()
            for volume in service.get("volumes", [])
            if volume.startswith("./")
        } | {one["file"] for one in COMPOSE["secrets"].values()} | {"creditlink.env"}  # fmt: skip
        assert {one for one in mounted if not (DEPLOY / one).exists()} == MADE_BY_THE_OPERATOR

    def test_networks_volumes_and_secrets_are_declared(self):
        for service in COMPOSE["services"].values():
            assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
            assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
            named = {one.split(":")[0] for one in service.get("volumes", []) if not one.startswith("./")}
            assert named <= set(COMPOSE["volumes"])
            assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])

    def test_nobody_reaches_the_database_from_outside(self):
        for name, service in COMPOSE["services"].items():
            if name in ("postgres", "replica"):
                assert (service["networks"], service.get("ports")) == (["data"], None)
        assert COMPOSE["networks"]["data"]["internal"]

    @pytest.mark.parametrize("script", sorted((DEPLOY / "postgres").glob("*.sh")), ids=lambda p: p.name)
    def test_scripts_are_scripts(self, script):
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
        if shutil.which("shellcheck"):
            assert subprocess.run(["shellcheck", script], check=False).returncode == 0


@pytest.mark.pure
class TestUnits:
    UNITS = sorted((DEPLOY / "systemd").iterdir())

    @pytest.mark.parametrize("unit", [one for one in UNITS if one.suffix == ".service"], ids=lambda p: p.name)
    def test_runs_a_command_that_exists_by_a_user_that_is_not_root(self, unit):
        lines = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
        assert re.fullmatch(r"/srv/creditlink/\.venv/bin/creditlink (\w+).*", lines["ExecStart"])[1] in COMMANDS
        assert (lines["User"], lines["NoNewPrivileges"], lines["ProtectSystem"]) == ("creditlink", "yes", "strict")

    @pytest.mark.parametrize("timer", [one for one in UNITS if one.suffix == ".timer"], ids=lambda p: p.name)
    def test_a_timer_has_its_service(self, timer):
        assert timer.with_suffix(".service") in self.UNITS

    def test_systemd_takes_them_and_finds_little_exposed(self, tmp_path):
        if shutil.which("systemd-analyze") is None:
            pytest.skip("there is no systemd on this machine")
        binary = tmp_path / "creditlink"
        binary.write_text("#!/bin/sh\n")
        binary.chmod(0o755)
        for unit in self.UNITS:
            here = unit.read_text().replace("/srv/creditlink/.venv/bin/creditlink", str(binary))
            (tmp_path / unit.name).write_text(here)
        units = [str(tmp_path / unit.name) for unit in self.UNITS]
        verified = subprocess.run(["systemd-analyze", "verify", *units], check=False, capture_output=True, text=True)
        assert (verified.returncode, verified.stderr) == (0, "")
        for unit in (one for one in units if one.endswith(".service")):
            judged = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
                check=False, capture_output=True, text=True,
            )  # fmt: skip
            assert judged.returncode == 0, judged.stdout[-300:]


@pytest.mark.pure
class TestChart:
    def pods(self, **changed):
        for documents in rendered(CHART, **changed).values():
            yield from (one["spec"]["template"]["spec"] for one in documents if one["kind"] in ("Deployment", "Job"))

    def test_every_pod_is_closed_and_runs_a_command_that_exists(self):
        pods = list(self.pods())
        assert len(pods) == 3
        for pod in pods:
            (container,) = pod["containers"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert not pod["automountServiceAccountToken"]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["args"][0] in COMMANDS
            assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
            assert re.search(r":\d", container["image"])

    def test_migrations_come_before_code_and_settings_before_migrations(self):
        documents = rendered(CHART)
        weights = {
            name: int(documents[name][0]["metadata"]["annotations"]["helm.sh/hook-weight"])
            for name in ("settings.yaml", "migrate.yaml")
        }
        assert weights["settings.yaml"] < weights["migrate.yaml"]

    def test_selectors_find_what_they_are_for(self):
        kinds = defaultdict(list)
        for documents in rendered(CHART, release="other").values():
            for one in documents:
                kinds[one["kind"]].append(one)
        labels = [one["spec"]["template"]["metadata"]["labels"] for one in kinds["Deployment"]]
        selectors = [
            *(one["spec"]["selector"] for one in kinds["Service"]),
            *(one["spec"]["selector"]["matchLabels"] for one in kinds["Deployment"] + kinds["PodDisruptionBudget"]),
            *(one["spec"]["podSelector"]["matchLabels"] for one in kinds["NetworkPolicy"]),
        ]
        assert len(selectors) == 6
        for selector in selectors:
            assert len([one for one in labels if selector.items() <= one.items()]) == 1
        assert kinds["HorizontalPodAutoscaler"][0]["spec"]["scaleTargetRef"]["name"] == "other-api"

    def test_a_claim_is_mounted_where_there_is_one(self):
        (var,) = [one for one in next(self.pods(varClaim="shared"))["volumes"] if one["name"] == "var"]
        assert var == {"name": "var", "persistentVolumeClaim": {"claimName": "shared"}}

    def test_a_template_that_cannot_be_shown_is_refused(self, tmp_path):
        chart = shutil.copytree(CHART, tmp_path / "chart")
        (chart / "templates" / "odd.yaml").write_text("a: {{ .Values.nothing }}\n")
        with pytest.raises(AssertionError, match="no value"):
            rendered(chart)

    def test_helm_takes_it(self):
        if shutil.which("helm") is None:
            pytest.skip("there is no helm on this machine; our own reader of its templates was used above")
        assert subprocess.run(["helm", "lint", "--strict", CHART], check=False).returncode == 0
        assert subprocess.run(["helm", "template", CHART], check=False, stdout=subprocess.DEVNULL).returncode == 0


def expressions():
    for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            yield from ((f"{file.name}: {panel['title']}", one["expr"]) for one in panel["targets"])
    yield from ((rule.get("alert") or rule["record"], rule["expr"]) for rule in RULES)


LABELS = {one._name: tuple(one._labelnames) for one in vars(metrics).values() if hasattr(one, "_labelnames")}
OF_PROMETHEUS = {"instance", "job", "le"}


@pytest.mark.pure
class TestMetrics:
    def named(self, expression):
        return set(re.findall(r"\b(creditlink_\w+?)(?:_bucket|_sum|_count|_total)?\b(?=[{\[) ]|$)", expression))

    def test_the_labels_are_those_of_the_code(self):
        assert LABELS["creditlink_requests"] == ("method", "route", "status")

    @pytest.mark.parametrize(("where", "expression"), list(expressions()))
    def test_an_expression_asks_for_what_is_served(self, where, expression):
        named = self.named(expression)
        recorded = {rule["record"] for rule in RULES if "record" in rule}
        assert named <= set(LABELS), "no metric of that name"
        assert set(re.findall(r"creditlink:[\w:]+", expression)) <= recorded
        assert named or "creditlink:" in expression or "up{" in expression
        known = {label for name in named for label in LABELS[name]} | OF_PROMETHEUS
        asked = {one.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for one in by.split(",")}
        asked |= set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", expression))
        assert asked <= known

    def test_the_route_whose_time_is_promised_is_one(self):
        document = json.loads((ROOT / "docs" / "openapi.json").read_text())
        routes = {one for _, said in expressions() for one in re.findall(r'route="([^"]+)"', said)}
        assert routes == {"/v1/profiles"} <= set(document["paths"])

    def test_promtool_takes_the_rules(self):
        if shutil.which("promtool") is None:
            pytest.skip("there is no promtool on this machine; names and labels were checked above")
        rules = DEPLOY / "prometheus" / "alerts.yml"
        assert subprocess.run(["promtool", "check", "rules", rules], check=False).returncode == 0

    def test_a_dashboard_is_one(self):
        for file in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
            board = json.loads(file.read_text())
            assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
            assert board["uid"].startswith("creditlink-")


def test_what_the_metrics_route_serves_is_what_the_code_declares(client):
    client.get("/health/live")
    served = client.get("/metrics").get_data(as_text=True)
    assert [name for name in LABELS if f"# HELP {name}" not in served] == []


@pytest.mark.pure
def test_the_proxy_takes_large_bodies_where_the_pages_do():
    written = re.search(r'location ~ "\^(/portal/\S+)\$"', (DEPLOY / "nginx" / "nginx.conf").read_text())[1]
    assert written == FILE_PATHS.pattern


@pytest.mark.pure
class TestRunbooks:
    MANUAL = (ROOT / "docs" / "operate.md").read_text()

    def test_every_alert_has_one(self):
        alerts = {rule["alert"]: rule["annotations"]["runbook"] for rule in RULES if "alert" in rule}
        assert alerts == {name: f"docs/operate.md#{name.lower()}" for name in alerts}
        section = self.MANUAL.split("## Alerts")[1].split("\n## ")[0]
        assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == list(alerts)
        for name, severity in ((rule["alert"], rule["labels"]["severity"]) for rule in RULES if "alert" in rule):
            assert f"### {name}\n\n*{severity}.*" in section

    def test_every_command_of_it_exists_with_its_options(self):
        for words in re.findall(r"`(creditlink [^`]+)`", self.MANUAL):
            _, *rest = words.split()
            command = cli.get_command(click.Context(cli), rest[0])
            assert command is not None, words
            for word in rest[1:]:
                if isinstance(command, click.Group) and not word.startswith("-"):
                    assert word in command.commands, words
                    command = command.commands[word]
                elif word.startswith("--"):
                    assert any(word in one.opts for one in command.params), words

    def test_every_unit_of_it_is_there(self):
        named = set(re.findall(r"creditlink-\w+@?", self.MANUAL))
        there = {one.stem.removesuffix(".service") for one in TestUnits.UNITS}
        assert named <= there
