"""
A copy of the chart for Kubernetes 1.20: versions of APIs that it lacks are replaced by the older ones with the same fields.

Only the test does this; the chart supports 1.27 and newer. What 1.20 does not know at all (Gateway API, monitoring) is off
in the sets of values that are installed.
"""

import re
import shutil
from pathlib import Path

_OLDER = {
    "apiVersion: policy/v1": "apiVersion: policy/v1beta1",
    "apiVersion: batch/v1\nkind: CronJob": "apiVersion: batch/v1beta1\nkind: CronJob",
    "apiVersion: autoscaling/v2": "apiVersion: autoscaling/v2beta2",
}
# Fields that 1.20 does not have and that change nothing on one node.
_YOUNGER_FIELDS = re.compile(r"^ *(unhealthyPodEvictionPolicy|timeZone|internalTrafficPolicy): .*\n", re.MULTILINE)


def copy_for_120(chart: Path, target: Path) -> Path:
    """Write the copy to *target* and return it."""
    shutil.copytree(chart, target)
    described = target / "Chart.yaml"
    described.write_text(re.sub(r"^kubeVersion:.*\n", "", described.read_text(), flags=re.MULTILINE))
    for template in (target / "templates").rglob("*.*"):
        text = template.read_text()
        for newer, older in _OLDER.items():
            text = re.sub(re.escape(newer) + r"$", older, text, flags=re.MULTILINE)
        template.write_text(_YOUNGER_FIELDS.sub("", text))
    return target
