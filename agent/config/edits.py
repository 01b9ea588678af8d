"""What a page or a command changes in the settings. Each function works on the tree that `write.edit` gives, and
raises ConfigError when what it names is not there; whether the result is right as a whole is judged there.
"""

from collections.abc import Iterator
from typing import Any, Literal

from agent.errors import ConfigError
from agent.yaml.structs import did_you_mean

NEW_SHOP = "new"
"""The code of a box before a person gives it its own."""
Claim = Literal["sku", "category", "name"]
"""By what of an item a station claims it."""

_CLAIMS: tuple[Claim, ...] = ("sku", "category", "name")
_FIRST_STATION = "kitchen"

# -- printers ----------------------------------------------------------------------------------------------------------


def add_printer(tree: Any, name: str, link: str, **settings: Any) -> None:
    """A printer that is new; `settings` are those of config.Printer, None for what is not to be written."""
    if any(printer["name"] == name for printer in _items(tree, "printers")):
        raise ConfigError(f"printers: there is a printer '{name}' already; give this one another name")
    _list(tree, "printers").append({"name": name, "link": link, **_written(settings)})


def change_printer(tree: Any, name: str, **settings: Any) -> None:
    """Some of its settings; None takes one away, which brings its default back."""
    _find(tree, "printers", name).update(settings)


def rename_printer(tree: Any, name: str, new: str) -> None:
    """With the stations that print there."""
    _find(tree, "printers", name)["name"] = new
    _replace(tree, name, new)


def remove_printer(tree: Any, name: str, instead: str | None = None) -> None:
    """Its stations print on `instead`; without one their tickets wait."""
    tree["printers"].remove(_find(tree, "printers", name))
    _replace(tree, name, instead)


def _replace(tree: Any, name: str, new: str | None) -> None:
    for station in _items(tree, "stations"):
        for role in ("printer", "backup"):
            if station.get(role) == name:
                station[role] = new
        if station.get("backup") is not None and station["backup"] == station.get("printer"):
            station["backup"] = None


# -- stations ----------------------------------------------------------------------------------------------------------


def put_station(tree: Any, name: str, **settings: Any) -> None:
    """A station, new or changed; None takes a setting away. Only one is the default."""
    stations = _stations(tree)
    if settings.get("default"):
        for other in stations:
            if other["name"] != name:
                other["default"] = None
    if any(station["name"] == name for station in stations):
        _find(tree, "stations", name).update(settings)
    else:
        stations.append({"name": name, **_written(settings)})


def rename_station(tree: Any, name: str, new: str) -> None:
    """With the SN of Feieyun's interface that prints there."""
    _stations(tree)
    _find(tree, "stations", name)["name"] = new
    for printer in _feie_printers(tree):
        if printer.get("station") == name:
            printer["station"] = new


def remove_station(tree: Any, name: str) -> None:
    """What it claimed goes to the default station from now on."""
    _stations(tree).remove(_find(tree, "stations", name))


def claim(tree: Any, station: str, kind: Claim, word: str) -> None:
    """This station makes what has that sku, category, or word in its name; nobody else claims it any more."""
    _stations(tree)
    release(tree, kind, word)
    match = _group(_find(tree, "stations", station), "match")
    match[kind] = [*(match.get(kind) or []), word]


def release(tree: Any, kind: Claim, word: str) -> None:
    """No station claims it; the default station makes it."""
    for station in _items(tree, "stations"):
        match = station.get("match") or {}
        if word in (match.get(kind) or []):
            match[kind] = [other for other in match[kind] if other != word] or None
            if not any(match.get(other) for other in _CLAIMS):
                station["match"] = None


def _stations(tree: Any) -> Any:
    """The list; where none is written the one that works is put in, so that it goes on."""
    if not _items(tree, "stations"):
        first: dict[str, Any] = {"name": _FIRST_STATION, "default": True}
        if printers := _items(tree, "printers"):
            first["printer"] = printers[0]["name"]
        tree["stations"] = [first]
    return tree["stations"]


def _feie_printers(tree: Any) -> Any:
    console = tree.get("console")
    feie = console.get("feie") if isinstance(console, dict) else None
    return _items(feie, "printers") if isinstance(feie, dict) else []


# -- the rest ----------------------------------------------------------------------------------------------------------


def set_shop(tree: Any, **settings: Any) -> None:
    """Whatever stands at the top: shop, agent, prefix, language, timezone."""
    tree.update(settings)


def set_group(tree: Any, name: str, **settings: Any) -> None:
    """Some settings of a group such as intake, printing, console or limits; None brings a default back."""
    group = _group(tree, name)
    group.update(settings)
    if all(value is None for value in group.values()):
        tree[name] = None


def set_broker(tree: Any, url: str, password_file: str | None = None, **settings: Any) -> None:
    """The line to the cloud. The password itself is in `password_file` (write.write_file)."""
    set_group(tree, "broker", url=url, **settings)
    if password_file is not None:
        tree["broker"]["password_file"] = password_file


def no_broker(tree: Any) -> None:
    """No cloud any more."""
    tree["broker"] = None


# -- what all of them need ---------------------------------------------------------------------------------------------


def _find(tree: Any, kind: str, name: str) -> dict[str, Any]:
    items = list(_named(tree, kind))
    found = next((item for item in items if item["name"] == name), None)
    if found is None:
        names = [str(item["name"]) for item in items]
        there = did_you_mean(name, names) or f"there are: {', '.join(names) or 'none'}"
        raise ConfigError(f"{kind}: there is no {kind.removesuffix('s')} '{name}'; {there}")
    return found


def _named(tree: Any, kind: str) -> Iterator[dict[str, Any]]:
    for item in _items(tree, kind):
        if isinstance(item, dict) and item.get("name") is not None:
            yield item


def _items(tree: Any, kind: str) -> Any:
    return tree.get(kind) or []


def _list(tree: Any, kind: str) -> Any:
    if not tree.get(kind):
        tree[kind] = []
    return tree[kind]


def _group(tree: Any, name: str) -> Any:
    if not isinstance(tree.get(name), dict):
        tree[name] = {}
    return tree[name]


def _written(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}
