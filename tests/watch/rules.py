"""The rules as they are shipped."""

from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import ROOT
from creditlink.watch.rules.settings import FILE, parse

TABLE = read_toml(ROOT / "config" / FILE)
RULES = parse(TABLE)
