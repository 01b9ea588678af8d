"""Configuration written by a machine: what a person typed stays, and the file is whole at every moment."""

import copy
import errno
import fcntl
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import load, write
from agent.config.changes import MAX_BYTES, Change, Setting, changes, differences
from agent.config.write import edit, install, secret
from agent.errors import ConfigError
from agent.yaml.edit import edit as edit_text
from agent.yaml.text import worded

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "config/shop-agent.example.yaml").read_text("utf-8")
SMALL = """\
# 我们的店 / our shop
shop: 0421   # an octal, to others
language:    both
printers:
    # the big one
    - name: wok            # loud
      link: tcp://10.0.0.9
      # 80 mm
      width: 048
    - {name: bar,  link: "tcp://10.0.0.8", width: 32}   # flow

# 档口
stations:
- name: 'no'
  printer: wok
  match: {sku: [0421, 11:30, no, "a # b"], category: [热饮]}
# the end
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file of a person's, in a folder with a data directory."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "shop.yaml"
    path.write_text(SMALL + "data_dir: data\n")
    return path


def _set(tree: Any, **settings: Any) -> None:
    tree.update(settings)


def changed(text: str, change: Callable[[Any], None]) -> tuple[list[str], list[str]]:
    """The lines that went and that came."""
    was, now = text.splitlines(), edit_text(text, change, "f").text.splitlines()
    return [line for line in was if line not in now], [line for line in now if line not in was]


# -- only what changes -------------------------------------------------------------------------------------------------


def test_nothing_changed_is_nothing_written(file: Path) -> None:
    """Not even the file's time."""
    before = file.stat()
    assert edit(file, lambda _: None, by="test") == []
    assert file.stat() == before


@pytest.mark.parametrize(
    ("change", "gone", "came"),
    [
        (
            lambda tree: tree["printers"][0].update(width=32),
            ["      width: 048"],
            ["      width: 32"],
        ),
        (
            lambda tree: tree["printers"][0].update(beep=True, name="炒锅"),
            ["    - name: wok            # loud"],
            ["    - name: 炒锅            # loud", "      beep: true"],
        ),
        (
            lambda tree: tree["printers"][1].update(link="tcp://10.0.0.7", role="counter"),
            ['    - {name: bar,  link: "tcp://10.0.0.8", width: 32}   # flow'],
            ['    - {name: bar,  link: "tcp://10.0.0.7", width: 32, role: counter}   # flow'],
        ),
        (
            lambda tree: tree["printers"].append({"name": "cold", "link": "usblp:/dev/usb/lp0"}),
            [],
            ['    - {name: cold, link: "usblp:/dev/usb/lp0"}'],
        ),
        (
            lambda tree: tree["stations"].append({"name": "cold", "match": {"name": ["面: 辣", "~"]}}),
            [],
            ["- name: cold", "  match:", '    name: ["面: 辣", "~"]'],
        ),
        (
            lambda tree: tree["stations"][0]["match"]["sku"].remove("11:30"),
            ['  match: {sku: [0421, 11:30, no, "a # b"], category: [热饮]}'],
            ['  match: {sku: [0421, no, "a # b"], category: [热饮]}'],
        ),
        (
            lambda tree: tree["stations"][0].update(name="it's", match=None),
            ["- name: 'no'", '  match: {sku: [0421, 11:30, no, "a # b"], category: [热饮]}'],
            ["- name: 'it''s'"],
        ),
        (lambda tree: tree.update(language=None), ["language:    both"], []),
        (
            lambda tree: tree.update(broker={"url": "mqtts://b:8883", "username": "no"}),
            [],
            ["broker:", "  url: mqtts://b:8883", "  username: no"],
        ),
        (
            lambda tree: tree["printers"].clear(),
            [*SMALL.splitlines()[3:4], *SMALL.splitlines()[5:10]],
            ["printers: []"],
        ),
    ],
)
def test_only_the_lines_that_change_are_touched(
    change: Callable[[Any], None], gone: list[str], came: list[str]
) -> None:
    """Quotes, spaces, comments, the order of keys and words such as no and 0421 stay as they were typed."""
    assert changed(SMALL, change) == (gone, came)


def test_a_printer_that_goes_leaves_the_others_comments() -> None:
    """What is said within it goes; what is said above the next group stays."""
    gone, came = changed(EXAMPLE, lambda tree: tree["printers"].pop(1))
    assert gone[0] == "  - name: bar"
    assert not came
    assert not any("#" in line for line in gone)


def test_stations_that_change_places_take_their_comments_along() -> None:
    """The order says who gets a dish first; whoever drags them in a page must not lose what was written of them."""
    new = edit_text(EXAMPLE, lambda tree: tree["stations"].reverse(), "f").text
    assert new.index("- name: drinks") < new.index("# 哪些菜归这个档口") < new.index("- name: wok")
    assert sorted(new.splitlines()) == sorted(EXAMPLE.splitlines())


def test_what_is_empty_is_filled_in_its_place() -> None:
    """`console: off`, `mappings: []` and a key without a value become a group or a list where they stand."""
    text = "shop: a\nconsole: off   # later\nprinters:   # none yet\nmappings: []\n"

    def change(tree: Any) -> None:
        tree["console"] = {"listen": "0.0.0.0:8480"}
        tree["printers"] = [{"name": "a", "link": "virtual://a"}]
        tree["mappings"].append({"topic": "shops/a/dn/x", "name": "flat"})

    new = edit_text(text, change, "f").text
    assert new.splitlines() == [
        "shop: a",
        "console:   # later",
        "  listen: 0.0.0.0:8480",
        "printers:   # none yet",
        "  - name: a",
        "    link: virtual://a",
        "mappings:",
        "  - topic: shops/a/dn/x",
        "    name: flat",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_line_ends_and_a_bom_stay(tmp_path: Path, end: str) -> None:
    """A file that was typed on Windows stays one."""
    newline = end or "\n"
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + f"shop: a{newline}language: zh{end}".encode())
    edit(path, lambda tree: tree.update(language="en", timezone="Asia/Shanghai"), by="test")
    expected = f"shop: a{newline}language: en{newline}timezone: Asia/Shanghai{newline}"
    assert path.read_bytes() == b"\xef\xbb\xbf" + expected.encode()


def test_what_only_a_person_can_change_is_refused(file: Path) -> None:
    """References: who knows what was meant? The file is not touched."""
    text = "shop: a\nlimits: &l {keep_orders: 1000}\nstations: [{name: &x a}, {name: b, printer: *x}]\n"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"line 3: a reference \(& and \*\); .*change it by hand"):
        edit(file, lambda tree: tree.update(agent="box2"), by="test")
    assert file.read_text() == text


_WORDS = st.sampled_from(
    [
        "a",
        "no",
        "0421",
        "11:30",
        "~",
        "",
        "热饮",
        "a b",
        "x: y",
        "# z",
        "it's",
        '"q"',
        "-",
        "[a]",
        "1e3",
        "a,b",
        "?",
        "a?b",
        "*s",
        "&t",
        "%u",
        "@v",
        "!w",
        "|",
        "null",
        " lead",
        "trail ",
        "a #b",
        "c:",
    ]
)
_TREES = st.recursive(
    _WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "link", "x", "y", "z"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_GROUPS = st.dictionaries(st.sampled_from(["shop", "printers", "stations", "match", "k"]), _TREES, max_size=5)


@given(_GROUPS, _GROUPS)
@settings(max_examples=300, deadline=None)
def test_any_tree_becomes_any_other(was: dict[str, Any], now: dict[str, Any]) -> None:
    """From nothing to a tree, and from that to another: what is read afterwards is what was meant, always."""
    first = edit_text("# top\n", lambda tree: tree.update(was), "f")
    assert first.now == worded(was)

    def change(tree: Any) -> None:
        tree.clear()
        tree.update(copy.deepcopy(now))

    second = edit_text(first.text + "# end\n", change, "f")
    assert second.now == worded(now)
    assert second.text.startswith("# top\n")
    assert "\n# end\n" in second.text


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every scalar's place."""
    if isinstance(tree, dict | list):
        for key, member in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _paths(member, (*path, key))
    else:
        yield path


@pytest.mark.parametrize("text", [EXAMPLE, SMALL], ids=["example", "small"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_comment_and_every_other_value_survives(text: str, data: st.DataObject) -> None:
    """Any value anywhere replaced, and a key added to any group: each other line is there, byte for byte."""
    tree = edit_text(text, lambda _: None, "f").now
    path = data.draw(st.sampled_from(sorted(_paths(tree), key=repr)))
    word = data.draw(_WORDS)

    def change(tree: Any) -> None:
        for key in path[:-1]:
            tree = tree[key]
        tree[path[-1]] = word
        if isinstance(tree, dict):
            tree["added"] = word

    was, now = text.splitlines(), edit_text(text, change, "f").text.splitlines()
    missing = [line for line in was if line not in now]
    assert len(missing) <= 2  # the value's own line, and that of a group in brackets where a key is added
    for line in missing:
        comment = line.partition(" # ")[2] if path[-1] != "sku" and "a # b" not in line else ""
        assert not comment or any(other.endswith(comment) for other in now)


# -- what may be written -----------------------------------------------------------------------------------------------


def test_a_wrong_result_names_its_fields_and_leaves_the_file(file: Path) -> None:
    """Every fault at once, each with its field; nothing is written, nothing lies about."""
    before = file.read_bytes()

    def change(tree: Any) -> None:
        tree["printers"][0].update(width="wide", nmae="x")
        tree["stations"][0]["printer"] = "wko"

    with pytest.raises(ConfigError) as caught:
        edit(file, change, by="test")
    said = str(caught.value)
    for field in ("printers[0].width", "printers[0].nmae", "stations[0].printer: there is no printer 'wko'"):
        assert f": {field}" in said
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["data", "shop.yaml"]


def test_a_new_doubt_is_refused_and_an_old_one_is_not(file: Path) -> None:
    """A template that is missing already hinders nobody; one that a change would miss does."""
    with pytest.raises(ConfigError, match="there is no template 'ktichen'"):
        edit(file, lambda tree: tree["stations"][0].update(template="ktichen"), by="test")
    file.write_text(file.read_text().replace("  printer: wok\n", "  printer: wok\n  template: gone\n"))
    edit(file, lambda tree: tree.update(language="zh"), by="test")
    assert load(file).language == "zh"


def test_a_control_character_never_reaches_the_file(file: Path) -> None:
    """Nor half a character."""
    for word in ("a\nb", "\x1b[2J", "\ud800"):
        with pytest.raises(ConfigError, match="control character"):
            edit(file, partial(_set, agent=word), by="test")


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    """With its folder, for its owner and group, and a word about what it is in both languages."""
    path = tmp_path / "etc" / "shop.yaml"
    edit(path, lambda tree: tree.update(shop="new"), by="test")
    assert load(path).shop == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# shop-agent 的配置")
    assert second.startswith("# The configuration")


def test_owner_mode_and_link_stay(tmp_path: Path, file: Path) -> None:
    """A file that root made for a group stays readable for the group; a link stays one."""
    file.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(file, 12345, 23456)
    before = file.stat()
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    edit(link, lambda tree: tree.update(language="zh"), by="test")
    after = file.stat()
    assert link.is_symlink()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert load(link).language == "zh"


def test_a_password_is_in_a_file_of_its_own(file: Path) -> None:
    """Which only its owner can read, also where it was readable before."""
    path = file.parent / "broker.pass"
    path.write_text("old")
    path.chmod(0o644)
    edit(file, lambda tree: tree.update(language="zh"), by="test", beside={path.name: secret("geheim 秘密")})
    assert path.read_text() == "geheim 秘密\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="line end"):
        secret("a\nb")


def test_where_the_rest_is_wrong_the_password_stays(file: Path) -> None:
    """The line that works goes on working."""
    path = file.parent / "broker.pass"
    path.write_text("old")
    with pytest.raises(ConfigError, match="language"):
        edit(file, lambda tree: tree.update(language="tlh"), by="test", beside={path.name: secret("new")})
    assert path.read_text() == "old"


# -- alone and whole ---------------------------------------------------------------------------------------------------


def test_a_hand_that_edits_meanwhile_is_not_lost(file: Path) -> None:
    """Somebody's editor saves between our reading and our writing: his file stays, and we say so."""

    def change(tree: Any) -> None:
        tree["language"] = "zh"
        file.write_text("shop: byhand\n")

    with pytest.raises(ConfigError, match="somebody changed it at the same time"):
        edit(file, change, by="test")
    assert file.read_text() == "shop: byhand\n"


def test_two_that_make_it_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """The second one is told."""
    path = tmp_path / "shop.yaml"

    def change(tree: Any) -> None:
        tree["shop"] = "late"
        edit(path, lambda tree: tree.update(shop="early"), by="test")

    with pytest.raises(ConfigError, match="somebody made it at the same time"):
        edit(path, change, by="test")
    assert load(path).shop == "early"


def test_many_writers_lose_nothing(file: Path) -> None:
    """Eight at once, five changes each: all forty are there, one after the other."""

    def add(tree: Any, topic: str) -> None:
        tree.setdefault("mappings", []).append({"topic": topic, "name": "flat"})

    def write(number: int) -> None:
        for turn in range(5):
            edit(file, partial(add, topic=f"t/{number}/{turn}"), by=f"w{number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {mapped.topic for mapped in load(file).mappings} == {f"t/{n}/{t}" for n in range(8) for t in range(5)}
    assert len(changes(file.parent / "data")) == 40


def test_a_file_that_is_held_is_not_waited_for_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that writes it and hangs."""
    monkeypatch.setattr(write, "LOCK_WAIT_S", 0.1)
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another program is writing it"):
            edit(file, lambda tree: tree.update(language="zh"), by="test")


_STEPS = ("tempfile.mkstemp", "os.fchmod", "os.fsync", "pathlib.Path.replace", "os.open")


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_whatever_fails_the_file_is_the_old_or_the_new(
    file: Path, step: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each operation of the disk refuses in turn, from its first use and from its second."""
    before = file.read_bytes()
    module, _, name = step.rpartition(".")
    target: Any = {"tempfile": tempfile, "os": os, "pathlib.Path": Path}[module]
    real = getattr(target, name)
    for good in (0, 1, 2):
        calls = iter(range(100))

        def fails(*args: Any, good: int = good, calls: Iterator[int] = calls, **more: Any) -> Any:
            if next(calls) >= good:
                raise OSError(error, os.strerror(error))
            return real(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(target, name, fails)
            try:
                edit(file, lambda tree: tree.update(language="zh"), by="test")
            except (ConfigError, OSError) as exc:
                assert isinstance(exc, ConfigError), exc  # noqa: PT017
        after = file.read_bytes()
        assert after in (before, before.replace(b"language:    both", b"language:    zh"))
        assert not list(file.parent.glob(".shop.yaml.*"))
        file.write_bytes(before)


def test_what_a_power_cut_left_is_swept(file: Path) -> None:
    """A half-written file beside it is no configuration, and goes with the next change."""
    (file.parent / ".shop.yaml.abc.new").write_text("sho")
    edit(file, lambda tree: tree.update(language="zh"), by="test")
    assert not list(file.parent.glob(".shop.yaml.*"))


def test_a_folder_that_may_not_be_written_says_what_to_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual case on a box: the folder is root's."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(ConfigError, match=f"may not write in {file.parent}; sudo chown shop-agent: {file.parent}"):
        edit(file, lambda tree: tree.update(language="zh"), by="test")


# -- a whole file ------------------------------------------------------------------------------------------------------


def test_a_file_is_installed_as_it_was_typed(file: Path) -> None:
    """Also over one that is broken; never a broken one over one that works."""
    new = b"# mine\nshop: s9\ndata_dir: data\n"
    install(file, new, by="boot")
    assert file.read_bytes() == new
    with pytest.raises(ConfigError, match=r"2:1: brokr: there is no such setting"):
        install(file, b"shop: s9\nbrokr: 1\n", by="boot")
    assert file.read_bytes() == new
    file.write_text("shop: [")
    install(file, new, by="boot")
    assert file.read_bytes() == new


# -- who and when ------------------------------------------------------------------------------------------------------


def test_who_changed_what_and_when_can_be_read_later(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, and in the data directory; values with it, the newest first."""
    caplog.set_level("INFO", "agent.config")
    edit(file, lambda tree: tree["printers"][0].update(width=32), by="console: 小李")
    fields = edit(file, lambda tree: tree["printers"].append({"name": "c", "link": "virtual://c"}), by="root")
    assert fields == ["printers[c]"]
    newest, oldest = changes(file.parent / "data")
    assert (newest.by, newest.settings) == (
        "root",
        [Setting(field="printers[c]", now='{name: c, link: "virtual://c"}')],
    )
    assert (oldest.by, oldest.settings) == (
        "console: 小李",
        [Setting(field="printers[wok].width", was="048", now="32")],
    )
    assert oldest.at <= newest.at
    assert stat.S_IMODE((file.parent / "data/changes.jsonl").stat().st_mode) == 0o600
    said = [(record.msg, record.fields) for record in caplog.records]  # type: ignore[attr-defined]  # ours has them
    assert ("config.changed", {"by": "root", "file": str(file), "fields": "printers[c]"}) in said


def test_the_list_of_changes_does_not_grow_for_ever(file: Path) -> None:
    """The older half goes when it is too long; half a line of a power cut is left out."""
    data = file.parent / "data"
    (data / "changes.jsonl").write_text("{half a line\n" * (MAX_BYTES // 10))
    edit(file, lambda tree: tree.update(language="zh"), by="test")
    assert (data / "changes.jsonl").stat().st_size < MAX_BYTES
    assert [change.by for change in changes(data)] == ["test"]


def test_a_list_that_can_not_be_written_costs_no_change(file: Path) -> None:
    """The configuration is what counts; the log has the line anyway."""
    (file.parent / "data/changes.jsonl").mkdir()
    assert edit(file, lambda tree: tree.update(language="zh"), by="test") == ["language"]
    assert load(file).language == "zh"


@given(_GROUPS, _GROUPS)
@settings(max_examples=100, deadline=None)
def test_a_difference_is_named_if_and_only_if_there_is_one(was: dict[str, Any], now: dict[str, Any]) -> None:
    """None is missed, and nothing is named that is the same."""
    was, now = worded(was), worded(now)
    assert bool(differences(was, now)) == (was != now)


def test_a_secret_in_a_value_is_black() -> None:
    """Nobody should write one there; if somebody does it is not told on."""
    (setting,) = differences({"notices": "a"}, {"notices": "https://x/hook?key=abcdef"})
    assert "abcdef" not in setting.now
    assert Change(at="", by="", file="", settings=[setting])
