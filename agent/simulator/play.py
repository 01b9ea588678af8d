"""What happens in the shop of the demo: customers order, and accidents befall printers and agent; all by one seed."""

import random
import threading
from collections.abc import Callable

import msgspec

from agent.simulator.scene import Scene, shop_time
from agent.simulator.shop import Shop


class Accident(msgspec.Struct, frozen=True):
    """A mishap and how it is mended; `mend` is empty where nobody needs to do anything."""

    zh: str
    en: str
    act: str
    printer: str = ""
    mend: str = ""


ACCIDENTS = (
    Accident("厨房打到一半没纸了", "Kitchen: out of paper in mid-ticket", "paper_out_soon", "kitchen", "refill"),
    Accident("饮品的网线断了", "Drinks: the cable breaks in mid-ticket", "cut_link", "drinks"),
    Accident("代理被 kill -9", "The agent is killed (kill -9)", "kill"),
    Accident("饮品的盖子开了", "Drinks: cover open", "cover_open", "drinks", "cover_close"),
    Accident("厨房断电又来电", "Kitchen: power cut, and back", "power_cycle", "kitchen"),
    Accident("饮品没纸了", "Drinks: out of paper in mid-ticket", "paper_out_soon", "drinks", "refill"),
    Accident("厨房的网线断了", "Kitchen: the cable breaks in mid-ticket", "cut_link", "kitchen"),
)
MENDED = {"refill": ("换好纸了", "paper refilled"), "cover_close": ("盖子合上了", "cover closed")}
NAMES = {"kitchen": ("厨房", "Kitchen"), "drinks": ("饮品", "Drinks")}


class Note(msgspec.Struct, frozen=True):
    """Something that happened, for those who watch."""

    at: str
    zh: str
    en: str


class Play:
    """Two threads: customers, `rate` events a second, and an accident each `every_s`, mended after `mend_s`."""

    def __init__(self, scene: Scene, seed: int, rate: float, every_s: float, mend_s: float) -> None:
        self._scene = scene
        self._random = random.Random(seed)
        self._rate, self._every_s, self._mend_s = rate, every_s, mend_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._customers, self._accidents)]
        self._listeners: list[Callable[[Note], None]] = []
        self._selling = threading.Lock()
        self._shop = Shop(seed, now=shop_time)
        self.faults = 0

    def on_note(self, listener: Callable[[Note], None]) -> None:
        """Call `listener` with what happens, from the thread where it does."""
        self._listeners.append(listener)

    def start(self) -> None:
        """The shop opens."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No more orders, no more accidents; what was broken is mended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for name in self._scene.printers:
            for act in MENDED:
                self._scene.act(act, name)

    def order(self, busy: bool = False) -> None:
        """One more order, now."""
        with self._selling:
            self._scene.cloud.send(self._shop.order(busy))

    def befall(self, act: str, printer: str, zh: str, en: str) -> None:
        """Do something to a printer or the agent, and say so. Raises KeyError for what there is not."""
        self._scene.act(act, printer)
        self.faults += act not in MENDED
        self._say(zh, en)

    def _customers(self) -> None:
        # Customers come when they like; a draw of its own, so that accidents do not change the orders.
        arrivals = random.Random(self._random.getrandbits(32))
        self.order(busy=True)
        while not self._stop.wait(min(arrivals.expovariate(self._rate), 4 / self._rate)):
            with self._selling:
                self._scene.cloud.send(self._shop.next_event())

    def _accidents(self) -> None:
        turn = 0
        while not self._stop.wait(self._every_s):
            accident = ACCIDENTS[turn % len(ACCIDENTS)]
            turn += 1
            self.befall(accident.act, accident.printer, accident.zh, accident.en)
            if accident.mend and not self._stop.wait(self._mend_s):
                (zh, en), (zh_name, en_name) = MENDED[accident.mend], NAMES[accident.printer]
                self.befall(accident.mend, accident.printer, f"{zh_name}{zh}", f"{en_name}: {en}")

    def _say(self, zh: str, en: str) -> None:
        note = Note(f"{shop_time():%H:%M:%S}", zh, en)
        for listener in self._listeners:
            listener(note)
