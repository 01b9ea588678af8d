"""`shop-agent preview` and `templates`: a ticket without a printer."""

import json
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from agent.cli import cli
from agent.errors import ConfigError
from agent.simulator.control import COMMANDS, perform
from agent.simulator.printer import PrinterSpec, VirtualPrinter

ORDER: dict[str, Any] = {"id": "8812", "rev": 1, "channel": "alipay", "no": "42", "table": "7"}
DISHES: list[dict[str, Any]] = [
    {"id": "1", "name": "豆浆", "qty": "2", "note": "不要糖"},
    {"id": "2", "name": "油条", "qty": 3},
]
WITHOUT = "the agent prints without this file, as is shown here"
EVENT = {"specversion": "1.0", "id": "e", "source": "//s", "type": "order.upsert"}


def call(*args: str, given: str | None = None) -> Result:
    result = CliRunner().invoke(cli, args, input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def order(folder: Path, name: str = "order.json", **fields: Any) -> str:
    file = folder / name
    file.write_text(json.dumps({**ORDER, "items": DISHES, **fields}))
    return str(file)


@pytest.mark.parametrize("shape", ["order", "data", "event"])
def test_an_order_is_shown_however_it_is_wrapped(shape: str) -> None:
    bare = {**ORDER, "items": DISHES}
    data = {"order": bare}
    given = {"order": bare, "data": data, "event": {**EVENT, "data": data}}[shape]
    shown = call("preview", "--order", "-", "--width", "32", given=json.dumps(given)).output
    for words in ("#42", "桌7", "豆浆", "x2", "※不要糖", "油条", "x3"):
        assert words in shown
    assert max(len(line.encode("gbk")) for line in shown.replace("✂", "-").splitlines()) <= 32


@pytest.mark.parametrize(
    "name", ["kitchen", "expo", "receipt", "label", "changes", "cancel", "summary", "alarm", "welcome"]
)
@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_every_template_shows_its_sample(name: str, language: str) -> None:
    result = call("preview", "--template", name, "--language", language)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert len(result.output.splitlines()) > 5


def test_a_picture_is_as_wide_as_the_paper(tmp_path: Path) -> None:
    out = tmp_path / "ticket.png"
    call("preview", "--order", order(tmp_path), "--width", "32", "--out", str(out))
    picture = Image.open(BytesIO(out.read_bytes()))
    assert picture.width == 32 * 12 + 64
    assert picture.getextrema() in ((0, 1), (0, 255))


def test_a_drawing_holds_the_words(tmp_path: Path) -> None:
    out = tmp_path / "ticket.svg"
    call("preview", "--order", order(tmp_path), "--out", str(out))
    words = "".join(ElementTree.fromstring(out.read_text()).itertext())
    assert "豆浆" in words
    assert "x2" in words


def test_what_changed_is_shown(tmp_path: Path) -> None:
    before = order(tmp_path, "before.json")
    after = order(tmp_path, "after.json", rev=2, items=[DISHES[0], {**DISHES[1], "qty": 5}])
    shown = call("preview", "--order", after, "--before", before, "--width", "32").output
    assert "改单 AMENDED" in shown
    assert "+2" in shown
    assert "豆浆" not in shown


def test_ready_made_content_is_shown_and_its_unknown_tags_are_named(tmp_path: Path) -> None:
    content = tmp_path / "ticket.txt"
    content.write_text("<CB>店</CB><BR><BLINK>红茶")
    result = call("preview", "--raw", str(content), "--dialect", "feie")
    assert "<BLINK>红茶" in result.stdout
    assert result.stderr == "feie: not printed as meant: line 1: <BLINK>\n"
    content.write_text("<MN>2</MN>红茶")
    assert call("preview", "--raw", str(content), "--dialect", "yilian").stderr == "it is printed 2 times\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ('{"items": []}', "at $.items"),
        ('{"items": [{"name": "x"}]}', "at $.items[0].qty"),
        ('{"items": [{"name": "x", "qty": "1e5"}]}', "at $.items[0].qty"),
        ('{"order": {"id": "1", "rev": 1, "channel": "", "items": []}}', "at $.order.items"),
        ("{}", 'at $.items; a cancelled order is written as {"type": "order.cancel"'),
        ('{"id": "5"}', "at $.items"),
        ('{"order": {"id": "5", "rev": 2, "channel": ""}}', "at $.order.items"),
        ('{"data": {"order": {"id": "5", "rev": 2, "channel": ""}}}', "at $.type"),
        ('{"skipped": true}', "the mapping skips this payload"),
        ('{"parked": "$.data.order.id", "reason": "no id"}', "would be parked: no id - at $.data.order.id"),
    ],
)
def test_a_file_that_can_not_be_read_is_named_with_the_path(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        call("preview", "--order", str(file))
    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_unknown_templates_and_odd_pictures_say_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are: alarm, cancel"):
        call("preview", "--template", "nothing")
    with pytest.raises(ConfigError, match=r"\.png or \.svg"):
        call("preview", "--out", str(tmp_path / "a.gif"))
    with pytest.raises(ConfigError, match="can't be written"):
        call("preview", "--out", str(tmp_path / "no" / "a.png"))


def test_the_shops_own_templates_are_listed_checked_and_used(tmp_path: Path) -> None:
    (tmp_path / "kitchen.j2").write_text("{% for d in dishes %}\n{{ d.name }} {{ d.qty }} {{ d.unit }}")
    with pytest.raises(ConfigError, match=r"kitchen\.j2:\d+: "):
        call("templates", "check", "--templates", str(tmp_path))
    own = "{% include 'shipped/kitchen.j2' %}\n<C>欢迎</C>\n"
    (tmp_path / "kitchen.j2").write_text(own)
    assert "1 of them the shop's own" in call("templates", "check", "--templates", str(tmp_path)).output
    assert "kitchen: " in call("templates", "list", "--templates", str(tmp_path)).output
    assert "欢迎" in call("preview", "--templates", str(tmp_path)).output


def test_a_template_that_fails_is_not_used_and_named(tmp_path: Path) -> None:
    """In plain words, without a line of the log, here and where it is checked."""
    (tmp_path / "kitchen.j2").write_text("\n{{ dishes[0].nothing }}")
    for command in (["preview", "--order", order(tmp_path)], ["templates", "check"]):
        done = subprocess.run(
            [sys.executable, "-m", "agent", *command, "--templates", str(tmp_path)], capture_output=True, text=True
        )
        first, *more = done.stderr.splitlines()
        assert "kitchen.j2:2: " in first
        assert done.returncode == (78 if "check" in command else 0)
        assert ("豆浆" in done.stdout, more) == (
            (False, []) if "check" in command else (True, [f"until that is mended {WITHOUT}"])
        )


def test_config_check_looks_at_the_templates(tmp_path: Path) -> None:
    """A template that a station names and that there is not, and one that fails."""
    config = tmp_path / "shop-agent.yaml"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.j2").write_text("<C>{{ number }</C>")
    config.write_text(
        "shop: s421\nbroker: {url: mqtt://localhost}\ndata_dir: ./data\n"
        "printers: [{name: k, link: 'tcp://127.0.0.1'}]\nstations: [{name: wok, printer: k, template: nothing}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        call("config", "check", "--config", str(config))
    assert "templates/own.j2:1: " in str(caught.value)
    assert f"{config}:5:46: stations[0].template: there is no template 'nothing'" in str(caught.value)


def test_what_a_mapping_makes_is_shown_as_it_comes(tmp_path: Path) -> None:
    """`mappings test … | preview --order -`; an upsert is no cancel."""
    payload = tmp_path / "p.json"
    payload.write_text(json.dumps({"order_id": "8", "items": [{"name": "豆浆", "qty": 2}]}))
    made = call("mappings", "test", "flat", str(payload)).output
    shown = call("preview", "--order", "-", given=made).output
    assert "豆浆" in shown
    assert "作废" not in shown
    cancel = {"type": "order.cancel", "time": None, "data": {"order": {"id": "8", "rev": 2, "channel": "c"}}}
    assert "作废 CANCELLED" in call("preview", "--order", "-", given=json.dumps(cancel)).output


def test_a_revision_is_shown_as_the_agent_prints_it(tmp_path: Path) -> None:
    """By what changed alone; a receipt whole; a label again for what is new; a void by its own template."""
    before = order(tmp_path, "before.json")
    after = order(tmp_path, "after.json", rev=2, items=[DISHES[0], {**DISHES[1], "qty": 5}])
    both = ("preview", "--order", after, "--before", before)
    assert "以此单为准 replaces" in call(*both, "--template", "receipt").output
    labels = call(*both, "--template", "label").output
    assert "+2" in labels
    assert labels.count("✂") == 3
    same = call("preview", "--order", before, "--before", before)
    assert (same.stdout, same.stderr) == ("", "nothing that is read here has changed: nothing is printed\n")
    cancel = tmp_path / "cancel.json"
    cancel.write_text(
        json.dumps({"type": "order.cancel", "data": {"order": {"id": "8812", "rev": 2, "channel": "alipay"}}})
    )
    shown = call("preview", "--order", str(cancel), "--before", before).output
    assert "作废 CANCELLED" in shown
    assert "油条" in shown
    assert "油条" in call("preview", "--order", before, "--template", "cancel").output


@pytest.mark.parametrize("name", ["alarm", "summary", "welcome"])
def test_a_template_that_is_not_about_orders_shows_its_sample(tmp_path: Path, name: str) -> None:
    """So that a shop's own one can be seen."""
    (tmp_path / f"{name}.j2").write_text("<C>自家的</C>\n{% include 'shipped/" + name + ".j2' %}")
    shown = call("preview", "--template", name, "--templates", str(tmp_path), "--order", order(tmp_path))
    assert "自家的" in shown.stdout
    assert shown.stderr == f"{name} is not about orders: here is its sample, without yours\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--order", "o", "--raw", "o"), "give one of them"),
        (("--order", "o", "--dialect", "feie"), "--dialect is the markup of --raw"),
        (("--before", "o"), "--before is what --order was"),
        (("--order", "o", "--template", "changes"), "give --before FILE too"),
        (("--printer", "bar"), "give --config FILE too"),
        (("--timezone", "Mars/Olympus"), "there is no time zone 'Mars/Olympus'"),
    ],
)
def test_options_that_would_be_ignored_are_wrong_usage(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    file = order(tmp_path)
    result = call("preview", *(file if word == "o" else word for word in words))
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def shop(folder: Path) -> str:
    """A configuration with two stations, in Shanghai, in English."""
    file = folder / "shop.yaml"
    file.write_text(
        "shop: s1\nbroker: {url: mqtt://localhost}\nlanguage: en\ntimezone: Asia/Shanghai\n"
        "printers: [{name: hot, link: 'virtual://hot'}, {name: bar, link: 'virtual://bar', width: 32}]\n"
        "stations:\n  - {name: wok, printer: hot}\n"
        "  - {name: drinks, printer: bar, template: own, match: {name: [豆浆]}}\n"
    )
    (folder / "templates").mkdir()
    (folder / "templates/own.j2").write_text("<C>自家的</C>\n{% include 'shipped/kitchen.j2' %}")
    return str(file)


def test_a_configuration_says_how_it_is_printed(tmp_path: Path) -> None:
    """Zone, language, templates; of a station its printer's width, its template and its share of the order."""
    here = ("preview", "--order", order(tmp_path, placed_at="2026-11-22T12:30:00+08:00"), "--config", shop(tmp_path))
    drinks = call(*here, "--station", "drinks").output
    assert "自家的" in drinks
    assert "12:30" in drinks
    assert "油条" not in drinks
    assert "ordered" in drinks
    assert "下单" not in drinks
    assert max(len(line.encode("gbk")) for line in drinks.replace("✂", "-").splitlines()) == 32
    assert "豆浆" not in call(*here, "--station", "wok").output
    whole = call(*here, "--printer", "bar", "--language", "zh", "--timezone", "UTC").output
    assert "豆浆" in whole
    assert "油条" in whole
    assert "04:30" in whole
    assert "there are: wok, drinks" in call(*here, "--station", "grill").stderr
    assert "there is hot, bar" in call(*here, "--printer", "grill").stderr


def test_a_station_that_a_revision_leaves_without_dishes_is_told_so(tmp_path: Path) -> None:
    """And one that has nothing to do with the order prints nothing."""
    config = ("--config", shop(tmp_path), "--station", "drinks")
    before, after = order(tmp_path, "before.json"), order(tmp_path, "after.json", rev=2, items=DISHES[1:])
    assert "作废 CANCELLED" in call("preview", "--order", after, "--before", before, *config).output
    nothing = call("preview", "--order", after, *config)
    assert (nothing.stdout, nothing.stderr) == ("", "station drinks makes nothing of this order: nothing is printed\n")


def test_millimetres_are_no_width(tmp_path: Path) -> None:
    result = call("preview", "--order", order(tmp_path), "--width", "80")
    assert "80 is in characters, not millimetres; write 48" in result.stderr


def test_the_simulators_help_names_every_command() -> None:
    """As its table has them, and one that is copied out of it is obeyed."""
    text = " ".join(call("simulate", "printer", "--help").output.split())
    assert not [name for name in COMMANDS if name not in text]
    examples = re.findall(r"\{.*?\}", text)
    assert len(examples) >= 4
    with VirtualPrinter(PrinterSpec()) as printer:
        assert [perform(printer, example)["ok"] for example in examples] == [True] * len(examples)


def test_the_gallery_says_how_it_is_used() -> None:
    """It made a folder called --help."""
    done = subprocess.run([sys.executable, "-m", "scripts.pictures", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: scripts/gallery [-h] [folder]")
    assert not Path("--help").exists()


@pytest.mark.parametrize("out", ["long.png", "long.svg"])
def test_a_picture_that_is_too_long_is_not_made(tmp_path: Path, out: str) -> None:
    """It says so, instead of taking all memory."""
    content = tmp_path / "raw.txt"
    content.write_text("<QR>x</QR>" * 25_000)
    with pytest.raises(ConfigError, match="longer than 14 m"):
        call("preview", "--raw", str(content), "--dialect", "feie", "--out", str(tmp_path / out))
    assert not (tmp_path / out).exists()
