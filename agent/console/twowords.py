"""What other rooms say, in a page's language: "中文 English" in its two parts, English alone with Chinese for its kind.
Pure.
"""

import re

from agent.config.words import faults
from agent.spool.drafts import MOST_SOURCE

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_ENGLISH = re.compile(r" (?=[a-z][a-z',’]*[ :,] ?[\w(])")
"""Where an English sentence begins behind a Chinese one: ours begin with a small letter, and names do not."""
_TEMPLATE = (
    ("unexpected end of template", "没写完：可能少了 {% endif %}、{% endfor %} 或 }}"),
    ("looking for the following tags", "没写完：可能少了 {% endif %}、{% endfor %} 或 }}"),
    ("was never closed", "没写完：少了收尾的 {% end… %}"),
    ("unknown tag", "没有这个 {% … %}"),
    ("expected token", "{{ }} 或 {% %} 里的写法不对"),
    ("unexpected", "{{ }} 或 {% %} 里有多余的字符"),
    ("no block", "没有这个 block 名字"),
    ("is undefined", "没有这个名字的内容"),
    ("there is no", "没有这个名字"),
    ("no filter named", "| 后面的名字不对"),
    ("no test named", "is 后面的名字不对"),
    ("the ticket lacks", "小票上少了必须有的内容"),
    ("times, not", "小票上重复或漏了必须有的内容"),
    ("tags are in docs/markup.md", "没有这个 <标签>，或写法不对"),
    ("characters: make it", f"太长了，最多 {MOST_SOURCE} 字"),
    ("more than a ticket can be", "印出来太长：请看循环"),
    ("can't be printed", "这个内容不能直接打印"),
)


def parted(text: str) -> tuple[str, str]:
    """Chinese and English of an error or a note."""
    if not _CHINESE.search(text):
        return "；".join(dict.fromkeys(fault.zh for fault in faults(text))) or text, text
    found = _ENGLISH.search(text)
    if found is None or not _CHINESE.search(text[: found.start()]):
        return text, text
    return text[: found.start()].rstrip(), text[found.end() :]


def of_template(said: str) -> str:
    """What is wrong in a template, in Chinese; the names in it as they are written."""
    lower = said.lower()
    words = next((zh for part, zh in _TEMPLATE if part in lower), "写法不对")
    names = re.findall(
        r"'([^']{1,40})'|(<[^<>]{1,40}>)|\b(?:block|print|lacks) ([\w.<>{}|]{1,40}|\{\{ [\w.]+ \}\})", said
    )
    shown = "、".join(dict.fromkeys("".join(name) for name in names))
    return f"{words}：{shown}" if shown else words
