"""What a template builds on: {% extends %}, and whether the blocks that it fills are there. Pure."""

from collections.abc import Iterable, Iterator

from jinja2 import TemplateSyntaxError, nodes


def parent_of(tree: nodes.Template, name: str | None, filename: str | None, there: Iterable[str]) -> str | None:
    """The template that this one extends, where it is named; of `there`, else None.

    Raises TemplateSyntaxError for one that extends itself.
    """
    extends = tree.find(nodes.Extends)
    if extends is None or not isinstance(extends.template, nodes.Const):
        return None
    parent = str(extends.template.value)
    if parent == name:
        hint = f"; write 'shipped/{name}' for the agent's own" if f"shipped/{name}" in there else ""
        raise TemplateSyntaxError(f"it extends itself{hint}", extends.lineno, name, filename)
    return parent if parent in there else None


def check_blocks(tree: nodes.Template, filename: str | None, parent: str, known: Iterable[str]) -> None:
    """Raises TemplateSyntaxError for a block that the `parent` does not have: it would never print."""
    names = list(dict.fromkeys(known))
    for block in _outer(tree):
        if block.name not in names:
            its = f"its blocks: {', '.join(names)}" if names else "it has none"
            message = f"{parent} has no block {block.name}, so it would never print; {its}"
            raise TemplateSyntaxError(message, block.lineno, None, filename)


def _outer(node: nodes.Node) -> Iterator[nodes.Block]:
    """The blocks that stand in no other block."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Block):
            yield child
        else:
            yield from _outer(child)
