"""Run the test classes of the page, as pytest would if they stood in a file."""

from concurrent.futures import ThreadPoolExecutor as _ThreadPoolExecutor
from pathlib import Path as _Path

import pytest

_names = [name for name in globals() if name.startswith("Test")]
assert _names, "the page has no test class"
_file = _Path("test_page.py")
_file.write_text(f"from {__name__} import {', '.join(_names)}\n")
_options = ["asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function"]
_arguments = ["-q", *(f"--override-ini={option}" for option in _options), "-p", "no:cacheprovider", "--rootdir=."]
with _ThreadPoolExecutor() as _executor:
    # In a thread, because the page has an event loop already, and the tests bring their own.
    assert _executor.submit(pytest.main, [*_arguments, str(_file)]).result() == 0
