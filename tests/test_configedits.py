"""What the console changes: each edit on a real file, judged by what the agent loads afterwards."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config, edits, load
from agent.config.write import edit
from agent.errors import ConfigError
from agent.model.station import Match, Station

START = """\
shop: s421
printers:
  - name: wok   # beside the door
    link: tcp://10.0.0.9
    width: 48
  - {name: bar, link: "tcp://10.0.0.8", width: 32}
stations:
  - name: hot
    printer: wok
    backup: bar
    default: true
  - name: drinks
    printer: bar
    match: {category: [热饮], name: [奶茶]}
console:
  listen: 0.0.0.0:8480
  feie:
    user: a@b
    ukey_file: ukey
    printers: [{sn: "0922", station: drinks}]
"""


class File:
    """A shop's file, and edits to it."""

    def __init__(self, path: Path, text: str = START) -> None:
        self.path = path
        path.write_text(text)

    def do(self, what: Any, *names: Any, **settings: Any) -> Config:
        """The configuration after the edit."""
        edit(self.path, lambda tree: what(tree, *names, **settings), by="test")
        return load(self.path)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """With two printers and two stations."""
    return File(tmp_path / "shop.yaml")


def stations(config: Config) -> dict[str, tuple[str | None, str | None]]:
    """By name: printer and backup."""
    return {station.name: (station.printer, station.backup) for station in config.stations}


def test_a_printer_is_added_changed_and_its_default_comes_back(file: File) -> None:
    """What is not said is not written."""
    config = file.do(edits.add_printer, "cold", "usblp:/dev/usb/lp0", width=32, profile=None)
    assert (config.printer("cold").width, config.printer("cold").profile) == (32, "generic")
    assert file.do(edits.change_printer, "cold", width=None, beep=True, profile="xprinter").printer("cold").width == 48
    assert "profile" not in file.path.read_text().partition("cold")[0]
    with pytest.raises(ConfigError, match="there is a printer 'cold' already"):
        file.do(edits.add_printer, "cold", "tcp://1.2.3.4")


def test_a_printer_that_is_renamed_keeps_its_stations_and_comment(file: File) -> None:
    """Whoever prints there goes on printing there."""
    config = file.do(edits.rename_printer, "bar", "吧台")
    assert stations(config) == {"hot": ("wok", "吧台"), "drinks": ("吧台", None)}
    file.do(edits.rename_printer, "wok", "炒锅")
    assert "name: 炒锅   # beside the door" in file.path.read_text()
    with pytest.raises(ConfigError, match="there is no printer 'wok'; there are: 炒锅, 吧台"):
        file.do(edits.rename_printer, "wok", "x")


def test_a_printer_that_goes_leaves_its_stations_to_another_or_to_none(file: File) -> None:
    """No station names a printer that is not there, and none is its own backup."""
    assert stations(file.do(edits.remove_printer, "bar", "wok")) == {"hot": ("wok", None), "drinks": ("wok", None)}
    assert stations(file.do(edits.remove_printer, "wok")) == {"hot": (None, None), "drinks": (None, None)}


def test_stations_are_put_renamed_and_removed(file: File) -> None:
    """One default at a time; Feieyun's printers follow."""
    config = file.do(edits.put_station, "cold", printer="wok", default=True, match={"sku": ["0421"]})
    assert [station.name for station in config.stations if station.default] == ["cold"]
    config = file.do(edits.rename_station, "drinks", "饮料")
    assert config.console != "off"
    assert config.console.feie is not None
    assert config.console.feie.printers[0].station == "饮料"
    assert list(stations(file.do(edits.remove_station, "cold"))) == ["hot", "饮料"]


def test_a_dish_is_claimed_by_one_station_at_a_time(file: File) -> None:
    """It moves with all that is left in order; nobody claims nothing."""
    config = file.do(edits.claim, "hot", "category", "热饮")
    assert [station.match for station in config.stations] == [Match(category=["热饮"]), Match(name=["奶茶"])]
    config = file.do(edits.claim, "hot", "sku", "0421")
    assert config.stations[0].match == Match(category=["热饮"], sku=["0421"])
    config = file.do(edits.release, "name", "奶茶")
    assert config.stations[1].match == Match()
    assert "match" not in file.path.read_text().partition("drinks")[2].partition("console")[0]


def test_the_station_that_nobody_wrote_goes_on(tmp_path: Path) -> None:
    """With the first own station the one that worked without being written is written."""
    file = File(tmp_path / "shop.yaml", 'shop: a\nprinters: [{name: p, link: "virtual://p"}]\n')
    before = load(file.path).effective_stations()
    config = file.do(edits.put_station, "drinks", printer="p", match={"name": ["茶"]})
    assert config.effective_stations()[0] == before[0] == Station(name="kitchen", printer="p", default=True)
    assert config.stations[1].match.name == ["茶"]


def test_groups_and_the_line(file: File) -> None:
    """Scalars of a group; a group without any is not written; the cloud comes and goes."""
    assert file.do(edits.set_group, "intake", max_age_min=30, old="print").intake.max_age_min == 30
    file.do(edits.set_group, "intake", max_age_min=None, old=None)
    assert "intake" not in file.path.read_text()
    config = file.do(edits.set_broker, "mqtts://b:8883", "broker.pass", username="s421")
    assert config.broker is not None
    assert (config.broker.username, config.broker.password_file) == ("s421", file.path.parent / "broker.pass")
    assert file.do(edits.no_broker).broker is None
    config = file.do(edits.set_shop, shop="s9", language="zh", timezone="Asia/Shanghai")
    assert (config.shop, config.language, config.timezone) == ("s9", "zh", "Asia/Shanghai")
    edit(file.path, partial(edits.set_group, name="console", listen="127.0.0.1:1"), by="test")
    assert "feie" in file.path.read_text()
