"""What a check finds, and what it needs of a person. A verdict is never a bool: what was not tried says why."""

from enum import Enum
from typing import NamedTuple, Protocol

import msgspec


class Passed(msgspec.Struct, frozen=True, tag="passed", tag_field="outcome"):
    """It was tried and is as it should be; `detail` has what was measured."""

    detail: str


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="outcome"):
    """It was tried and is not as it should be."""

    detail: str


class Skipped(msgspec.Struct, frozen=True, tag="skipped", tag_field="outcome"):
    """It was not tried, or nothing can be said of it."""

    detail: str


Verdict = Passed | Failed | Skipped


class Words(NamedTuple):
    """The same in the installer's two languages."""

    zh: str
    en: str


class Answer(Enum):
    """What a person says to a question."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


class Act(Enum):
    """What a person is asked to do at the printer."""

    OPEN_COVER = Words("打开机盖", "open the printer's cover")
    CLOSE_COVER = Words("关上机盖", "close the cover")
    TAKE_PAPER = Words("取出纸卷，再关上机盖", "take the paper roll out and close the cover again")
    LOAD_PAPER = Words("装好纸卷，关上机盖", "put the paper roll back and close the cover")
    POWER_OFF = Words("拔掉打印机的电源插头，先不要插回", "pull the printer's power plug and leave it out")
    POWER_CYCLE = Words(
        "拔掉打印机的电源插头，数到五，再插回", "pull the printer's power plug, count to five, plug it in"
    )
    POWER_ON = Words("插回电源插头，打开打印机，等它就绪", "plug it in, switch it on, wait until it is ready")
    PULL_CABLE = Words("拔掉打印机的数据线（网线或USB线）", "pull the printer's data cable (network, USB or serial)")
    PLUG_CABLE = Words("把数据线插回同一个口，等几秒", "plug the cable into the same socket, wait some seconds")


class Person(Protocol):
    """Somebody who stands at the printer. Every call blocks until they have answered."""

    def gets_ready(self, act: Act) -> None:
        """Tell them what to do as soon as paper comes out; returns when they are ready for it."""

    def does(self, act: Act) -> None:
        """Ask them to do it now; returns when it is done."""

    def says(self, question: Words) -> Answer:
        """Ask what they see."""
