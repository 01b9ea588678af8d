"""`shop-agent preview` and `templates`: a ticket without a printer."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from agent.cli import cli
from agent.errors import ConfigError

ORDER: dict[str, Any] = {"id": "8812", "rev": 1, "channel": "alipay", "no": "42", "table": "7"}
DISHES: list[dict[str, Any]] = [
    {"id": "1", "name": "豆浆", "qty": "2", "note": "不要糖"},
    {"id": "2", "name": "油条", "qty": 3},
]
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
    shown = call("preview", "--order", after, "--before", before, "--template", "changes").output
    assert "改单 AMENDED" in shown
    assert "+2" in shown
    assert "豆浆" not in shown


def test_ready_made_content_is_shown_and_its_unknown_tags_are_named(tmp_path: Path) -> None:
    content = tmp_path / "ticket.txt"
    content.write_text("<CB>店</CB><BR><BLINK>红茶")
    result = call("preview", "--raw", str(content), "--dialect", "feie")
    assert "<BLINK>红茶" in result.stdout
    assert "line 1: <BLINK>" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ('{"items": []}', "$.data.order.items"),
        ('{"items": [{"name": "x"}]}', "$.data.order.items[0].qty"),
        ('{"items": [{"name": "x", "qty": "1e5"}]}', "$.data.order.items[0].qty"),
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
    (tmp_path / "kitchen.j2").write_text("\n{{ dishes[0].nothing }}")
    result = call("preview", "--templates", str(tmp_path), "--order", order(tmp_path))
    assert "kitchen.j2:2: " in result.stderr
    assert "豆浆" in result.stdout


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
    assert "stations[0].template: there is no template 'nothing'" in str(caught.value)
