import os
import subprocess
import sys

import pytest

STEP_BACK = """
import os
from training.retrain.stepping_back import step_back
step_back()
print(os.nice(0), os.sched_getscheduler(0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no idle class")
def test_a_process_that_steps_back_runs_only_where_nobody_else_wants_to() -> None:
    told = subprocess.run([sys.executable, "-c", STEP_BACK], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["19", str(os.SCHED_IDLE)]
