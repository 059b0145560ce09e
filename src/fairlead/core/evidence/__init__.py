"""What pairs are worth: intervals that may be watched, verdicts, forecasts, many hypotheses, judges and canaries.

Pure functions of values. The procedure is explained for a sceptical reader in `docs/verdicts.md`.

>>> from fairlead.core.evidence import Evidence
>>> evidence = Evidence(margin=0.05).after([1.0] * 30 + [0.0] * 240 + [-1.0] * 30)
>>> judged = evidence.judge()
>>> print(judged.verdict, f"{judged.low:+.5f} {judged.high:+.5f}")
undecided -0.08085 +0.08085

Each name is loaded when it is first asked for: most of them need NumPy, and a gateway that only watches a canary does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.core.later import later

if TYPE_CHECKING:
    from fairlead.core.evidence.canary import Canary, Guard, Stretch
    from fairlead.core.evidence.forecasting import Forecast, fixed_size, forecast
    from fairlead.core.evidence.histogram import Histogram
    from fairlead.core.evidence.many import e_bh
    from fairlead.core.evidence.pilot import PilotEvidence, replayed
    from fairlead.core.evidence.sequence import Evidence, Interval
    from fairlead.core.evidence.settings import N_MAX, N_MIN
    from fairlead.core.evidence.verdict import Claim, Floor, Judgement, Segment, VerdictKind, stop
    from fairlead.core.evidence.watch import Watch

__all__ = [
    "N_MAX",
    "N_MIN",
    "Canary",
    "Claim",
    "Evidence",
    "Floor",
    "Forecast",
    "Guard",
    "Histogram",
    "Interval",
    "Judgement",
    "PilotEvidence",
    "Segment",
    "Stretch",
    "VerdictKind",
    "Watch",
    "e_bh",
    "fixed_size",
    "forecast",
    "replayed",
    "stop",
]

_WHERE = {
    "N_MAX": "settings",
    "N_MIN": "settings",
    "Canary": "canary",
    "Claim": "verdict",
    "Evidence": "sequence",
    "Floor": "verdict",
    "Forecast": "forecasting",
    "Guard": "canary",
    "Histogram": "histogram",
    "Interval": "sequence",
    "Judgement": "verdict",
    "PilotEvidence": "pilot",
    "Segment": "verdict",
    "Stretch": "canary",
    "VerdictKind": "verdict",
    "Watch": "watch",
    "e_bh": "many",
    "fixed_size": "forecasting",
    "forecast": "forecasting",
    "replayed": "pilot",
    "stop": "verdict",
}

__getattr__ = later(__name__, _WHERE, globals())
