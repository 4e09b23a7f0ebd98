"""PixInsight as an engine."""
