"""What every adapter of a port has to prove."""

import pkgutil

import pytest

# So that a failing assertion of a suite shows its values, as in any test.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
