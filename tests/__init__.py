"""The tests: their builders and oracles may assert, and say as much as a test when they fail."""

import pytest

pytest.register_assert_rewrite("tests.builders", "tests.oracles")
