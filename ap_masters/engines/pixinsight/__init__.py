"""PixInsight as an engine: scripts, launch and supervision, logs and records."""

from ap_masters.engines.pixinsight.engine import PixInsightEngine

__all__ = ["PixInsightEngine"]
