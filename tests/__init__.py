"""The tests. Their builders and oracles may use assert, with messages as helpful as those of tests."""

import pytest

pytest.register_assert_rewrite("tests.builders", "tests.oracles")
