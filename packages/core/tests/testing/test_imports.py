import subprocess
import sys


def test_the_test_kit_works_where_no_test_framework_is_installed() -> None:
    code = (
        "import sys, cqrs_ddd_core.testing;"
        "print([name for name in ('pytest', 'hypothesis', '_pytest') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_does_not_load_the_test_kit() -> None:
    code = (
        "import sys, cqrs_ddd_core; print([name for name in sys.modules if name.startswith('cqrs_ddd_core.testing')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
