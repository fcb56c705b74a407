"""The command line is a border too: what a terminal sends is refused or kept, never half taken."""

import click
import pytest
from click.testing import CliRunner

from creditlink.cli.main import COMMANDS, cli
from creditlink.kit.settings import SettingError
from creditlink.web.serving import listen

pytestmark = pytest.mark.pure

GBK = "佛山".encode("gbk").decode("utf-8", "surrogateescape")  # as Python receives it from a terminal in GBK


@pytest.mark.parametrize(
    "words",
    [
        ("enterprises", "representatives", "--uscc", GBK),
        ("enterprises", "add-account", "--login", "li", "--name", GBK, "--password", "x" * 12),
        ("institutions", "suspend", GBK),
        ("audit", "export", "--uscc", GBK),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_text_in_another_encoding_is_refused_before_anything_is_done(words, monkeypatch):
    answer = CliRunner().invoke(cli, words)
    assert answer.exit_code == 2
    assert "half of a character, which is not accepted: send UTF-8" in answer.output


def texts(command, way=()):
    """Yield every parameter of a command, and of those below it, that takes any text."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType):
            yield " ".join((*way, command.name, parameter.name)), parameter
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        yield from texts(inner, (*way, command.name))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_text_of_every_command_is_guarded(name):
    context = click.Context(cli)
    for way, parameter in texts(cli.get_command(context, name)):
        with pytest.raises(click.BadParameter, match="half of a character"):
            parameter.type.convert("\udcb7", parameter, context)
        assert parameter.type.convert("佛山", parameter, context) == "佛山", way


@pytest.mark.parametrize("host", ["a" * 64, "é" * 64, "bank..example"])
def test_a_host_that_is_none_is_one_line(host):
    with pytest.raises(SettingError) as wrong:
        listen(host, 65000)
    assert "--host" in str(wrong.value)
    assert "\n" not in str(wrong.value)
