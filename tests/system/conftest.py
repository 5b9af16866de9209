"""The rig beside the tests is importable, and assertions in it are explained."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pytest.register_assert_rewrite("postern_testing", "peers")
