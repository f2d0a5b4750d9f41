"""Whether a version may be published: its evaluation, its own bounds, and the version that it replaces. JSON in, verdict out.

Shared by publisher and registry, which ask the same question on either side of the wire. Makes no evaluation: that needs the model, and is
the agent's (`lineside model evaluate`).
"""

from cloud_sync.evaluation.bounds import BoundsInvalid
from cloud_sync.evaluation.gate import GateRefused, Release, judge
from cloud_sync.evaluation.paired import exact_mcnemar, holm
from cloud_sync.evaluation.release import release_of
from cloud_sync.evaluation.report import Report, ReportInvalid

__all__ = [
    "BoundsInvalid",
    "GateRefused",
    "Release",
    "Report",
    "ReportInvalid",
    "exact_mcnemar",
    "holm",
    "judge",
    "release_of",
]
