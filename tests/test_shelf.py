"""The shop's own templates: a folder that is read while tickets print."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from agent.config import load
from agent.spool.shelf import Shelf
from agent.tickets.sample import ticket
from tests.menu import MILK, NOON, of, order, pieces


class Hands:
    """A clock that is turned by hand, and a shelf in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.alarms: dict[str, str] = {}
        self.rang: list[tuple[str, str]] = []
        self.shelf = Shelf(folder, self, self._alarm)

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return NOON

    def _alarm(self, name: str, problem: str) -> None:
        self.rang.append((name, problem))
        if problem:
            self.alarms[name] = problem
        else:
            self.alarms.pop(name, None)

    def write(self, name: str, text: str | bytes) -> None:
        (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def prints(self, name: str = "kitchen") -> str:
        """What a ticket says, more than a second later."""
        self.now += 1.1
        layout, error = self.shelf.book().layout(name, of(order(MILK)), 48)
        assert error is None
        return pieces(layout)[0].text


GOOD = "{% extends 'shipped/kitchen.j2' %}{% block foot %}VERSION ONE\n{% endblock %}"


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    folder = tmp_path / "templates"
    folder.mkdir()
    return Hands(folder)


def test_a_changed_template_is_used_within_a_second(hands: Hands) -> None:
    """Without a restart; and when it is taken away ours is back."""
    assert "VERSION" not in hands.prints()
    hands.write("kitchen.j2", GOOD)
    assert "VERSION ONE" in hands.prints()
    hands.write("kitchen.j2", GOOD.replace("ONE", "TWO!"))
    assert "VERSION TWO!" in hands.prints()
    (hands.folder / "kitchen.j2").unlink()
    assert "VERSION" not in hands.prints()
    assert hands.alarms == {}


def test_the_folder_is_looked_at_once_a_second(hands: Hands) -> None:
    """Printing a burst costs no more."""
    hands.prints()
    hands.write("kitchen.j2", GOOD)
    assert hands.shelf.book() is hands.shelf.book()
    assert hands.shelf.book().own == {}


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ("{% for d in dishes %}", "templates/kitchen.j2:1: "),
        ("one\n{{ nobody }}", "templates/kitchen.j2:2: "),
        (GOOD + "{% block head %}\n#{{ number }} <FOO>\n{% endblock %}", "templates/kitchen.j2:3: there is no <FOO>"),
        (
            GOOD + "\n\n{% block head %}#{{ number }}<IMG src=map>{% endblock %}",
            "templates/kitchen.j2:4: picture map is not",
        ),
        (GOOD + "{% block head %}#{{ number }}\n<B>\n{% endblock %}", "templates/kitchen.j2:3: <B> is not closed"),
        ("only words", "templates/kitchen.j2:1: the ticket lacks 42; print {{ number }}"),
        (b"ok\n\xff\xfe", "templates/kitchen.j2:2: it is not UTF-8"),
    ],
)
def test_a_broken_template_leaves_the_last_good_one_in_use(hands: Hands, broken: str | bytes, where: str) -> None:
    """The alarm names file and line, and goes down when it is mended."""
    hands.write("kitchen.j2", GOOD)
    hands.prints()
    hands.write("kitchen.j2", broken)
    assert "VERSION ONE" in hands.prints()
    assert hands.alarms["kitchen"].startswith(where)
    hands.write("kitchen.j2", GOOD.replace("ONE", "THREE"))
    assert "VERSION THREE" in hands.prints()
    assert hands.alarms == {}


def test_one_broken_file_does_not_hold_up_the_others(hands: Hands) -> None:
    """And a part that the others include is tried with them."""
    hands.write("_foot.j2", "FOOT {{ station }}\n")
    hands.write("kitchen.j2", "{{ nobody }}")
    hands.write("alarm.j2", "ALARM {{ about }}\n")
    assert "FOOT wok" in hands.prints()
    assert list(hands.alarms) == ["kitchen"]
    assert set(hands.shelf.book().own) == {"_foot.j2", "alarm.j2"}
    hands.write("_foot.j2", "FOOT {{ nobody }}\n")
    assert "FOOT wok" in hands.prints()
    assert sorted(hands.alarms) == ["_foot", "kitchen"]


def test_a_template_that_fails_later_raises_its_alarm(hands: Hands) -> None:
    """The samples had no such order; the plain ticket prints, and the alarm is up until the file is mended."""
    odd = of(order(MILK, guests=-9))
    text = GOOD + "{% block head %}#{{ number }} {{ 10 // ((order.guests or 1) + 9) }}{% endblock %}"
    hands.write("kitchen.j2", text)
    assert "#42" in hands.prints()
    _, error = hands.shelf.book().layout("kitchen", odd, 48)
    assert error is not None
    hands.shelf.failed(error)
    assert hands.alarms["kitchen"].startswith("templates/kitchen.j2:2: ")
    hands.prints()
    assert "kitchen" in hands.alarms
    hands.write("kitchen.j2", text.replace("+ 9", "+ 99"))
    hands.prints()
    assert hands.alarms == {}
    assert hands.shelf.book().layout("kitchen", odd, 48)[1] is None


@pytest.mark.parametrize(("written", "made"), [("", True), ("templates: mine", True), ("", False)])
def test_the_folder_is_beside_the_configuration(tmp_path: Path, written: str, made: bool) -> None:
    """`templates/` is used where it is there; another one is named."""
    if made:
        (tmp_path / "templates").mkdir()
    (tmp_path / "shop-agent.yaml").write_text(f"shop: s421\nbroker: {{url: mqtt://localhost}}\n{written}\n")
    wanted = tmp_path / "mine" if written else tmp_path / "templates" if made else None
    assert load(tmp_path / "shop-agent.yaml").templates == wanted


def test_alarms_of_an_earlier_life_are_settled_at_the_first_look(hands: Hands) -> None:
    """Whoever keeps the alarms hears of every template once."""
    hands.write("kitchen.j2", "{{ nobody }}")
    hands.shelf.book()
    assert ("expo", "") in hands.rang
    assert dict(hands.rang)["kitchen"].startswith("templates/kitchen.j2:1: ")


def test_odd_files_do_no_harm(hands: Hands) -> None:
    """A broken link, a folder and a pipe of a template's name are left alone."""
    (hands.folder / "gone.j2").symlink_to(hands.folder / "nowhere")
    (hands.folder / "folder.j2").mkdir()
    os.mkfifo(hands.folder / "pipe.j2")
    hands.write("kitchen.j2", GOOD)
    assert "VERSION ONE" in hands.prints()
    assert (hands.alarms, hands.shelf.problems()) == ({}, {})


@pytest.mark.parametrize(
    ("name", "wanted"), [("Kitchen.J2", "kitchen.j2"), ("Kitchen.j2", "kitchen.j2"), ("Bill.J2", "Bill.j2")]
)
def test_a_template_in_capital_letters_is_not_left_out_silently(hands: Hands, name: str, wanted: str) -> None:
    """It would be another one than meant; one of the shop's own name may have them."""
    hands.write(name, GOOD)
    hands.write("Mine.j2", GOOD)
    assert "VERSION" not in hands.prints()
    assert list(hands.alarms.values()) == [f"templates/{name}: capital letters: it is not used; name it {wanted}"]
    assert set(hands.shelf.book().own) == {"Mine.j2"}
    (hands.folder / name).rename(hands.folder / wanted)
    assert hands.prints("kitchen" if wanted == "kitchen.j2" else "Bill")
    assert hands.alarms == {}


def test_pictures_come_from_the_same_folder(hands: Hands) -> None:
    """By their name, with or without its ending; one that is too large is refused."""
    hands.write("logo.png", b"PNG")
    hands.write("map.gif", b"x" * (1 << 20) + b"x")
    book = hands.shelf.book()
    assert book.images == {"logo": b"PNG", "logo.png": b"PNG"}
    assert list(hands.alarms) == ["map.gif"]
    layout = book.checked("receipt", of(order(MILK)), 48)
    assert any(getattr(block, "data", b"") == b"PNG" for block in layout.blocks)


def test_without_a_folder_ours_are_used(tmp_path: Path) -> None:
    """Nor is one that is not there an error."""
    for folder in (None, tmp_path / "nowhere"):
        shelf = Shelf(folder, Hands(tmp_path))
        assert shelf.book().own == {}
        assert shelf.book().layout("kitchen", ticket(), 48)[1] is None
