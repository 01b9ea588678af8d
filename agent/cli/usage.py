"""What is wrong with a command, in Chinese before click's own English."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
from click.exceptions import NoArgsIsHelpError, NoSuchCommand

_CHINESE = re.compile("[\u4e00-\u9fff]")


@contextmanager
def in_both() -> Iterator[None]:
    """Raises what click raises there for a wrong usage, with words in Chinese where it has none."""
    try:
        yield
    except NoArgsIsHelpError:  # nothing is wrong: it is the help
        raise
    except click.UsageError as exc:
        said = exc.format_message()
        if _CHINESE.search(said):
            raise
        raise click.UsageError(f"{_chinese(exc)} {said}", exc.ctx) from exc


def _chinese(exc: click.UsageError) -> str:
    match exc:
        case NoSuchCommand(command_name=name, possibilities=near):
            return f"没有命令 {name}，" + (f"是不是 {'、'.join(near)}？" if near else "加 --help 看有哪些。")
        case click.NoSuchOption(option_name=name):
            return f"没有选项 {name}，加 --help 看有哪些。"
        case click.MissingParameter(param=param):
            return f"还要写 {_name_of(param)}。"
        case click.BadParameter(param=param):
            return f"{_name_of(param)} 写得不对。"
        case _:
            return "命令写得不对，加 --help 看怎么写。"


def _name_of(param: click.Parameter | None) -> str:
    return "这个值" if param is None else param.opts[0] if isinstance(param, click.Option) else param.make_metavar(_NO)


_NO = click.Context(click.Command("shop-agent"))
