"""Run the Python of one page: ``python -m scripts.documentation.run_page PAGE``.

Each page has a process of its own, so that the classes of one page do not meet those of another.
"""

import ast
import asyncio
import contextvars
import inspect
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType

from scripts.documentation.page import Block, Page


def run(page: Page) -> None:
    """Run every block; the first one that raises ends it."""
    # A real module, so that what looks up a class by its module, as pydantic does, finds the page.
    module = ModuleType("page_" + "".join(letter if letter.isalnum() else "_" for letter in page.name))
    sys.modules[module.__name__] = module
    context = contextvars.copy_context()
    with asyncio.Runner() as runner:
        for block in page.blocks():
            # What a block leaves in context variables is there for the next one, as it would be in a program.
            waiting = context.run(_execute, block, module)
            if waiting is not None:
                runner.run(waiting, context=context)


def _execute(block: Block, module: ModuleType) -> Coroutine[None, None, None] | None:
    code = compile(block.padded(), str(block.file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, module.__dict__)  # noqa: S307 - running the page is the point
    return result if code.co_flags & inspect.CO_COROUTINE else None


if __name__ == "__main__":
    file = Path(sys.argv[1]).resolve()
    run(Page(file=file, text=file.read_text(encoding="utf-8")))
