"""What guards a template's filters and tests: none makes, compares or shows more than is paid for. Pure."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from agent.tickets.budget import paid, text_of, weighed

_Guard = Callable[[Callable[..., Any]], Callable[..., Any]]


def guarded_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters by name, each with its guard."""
    return {name: _CAREFUL.get(name, _paying)(filter_) for name, filter_ in filters.items()}


def guarded_tests(tests: Mapping[str, Any]) -> dict[str, Any]:
    """The tests by name, each with its guard."""
    return {name: _CAREFUL_TESTS.get(name, _weighing)(test) for name, test in tests.items()}


def _paying(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which pays for what it makes."""

    @wraps(filter_)
    def paying(*args: Any, **kwargs: Any) -> Any:
        return paid(filter_(*args, **kwargs))

    return paying


def _weighing(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter or test, which pays for all that it may compare."""

    @wraps(filter_)
    def weighing(*args: Any, **kwargs: Any) -> Any:
        return paid(filter_(*map(weighed, args), **kwargs))

    return weighing


def _as_it_is(test: Callable[..., bool]) -> Callable[..., bool]:
    return test


def _of_numbers(test: Callable[..., bool]) -> Callable[..., bool]:
    """The test, of numbers only: the % of texts writes as many characters as they say."""

    @wraps(test)
    def of_numbers(*args: Any) -> bool:
        if not all(isinstance(arg, int | float) for arg in args):
            raise TypeError("only a number can be that")
        return test(*args)

    return of_numbers


def _of_text(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, of what can be shown only."""

    @wraps(filter_)
    def of_text(value: Any, *args: Any, **kwargs: Any) -> Any:
        return paid(filter_(text_of(value), *args, **kwargs))

    return of_text


_CAREFUL: dict[str, _Guard] = {
    **dict.fromkeys(("upper", "lower", "trim", "escape", "e"), _of_text),
    **dict.fromkeys(("sort", "unique", "max", "min"), _weighing),
}
_CAREFUL_TESTS: dict[str, _Guard] = {
    **dict.fromkeys(("odd", "even", "divisibleby"), _of_numbers),
    **dict.fromkeys(("lower", "upper"), _of_text),
    **dict.fromkeys(("defined", "undefined", "none", "iterable", "sequence", "filter", "test"), _as_it_is),
}
