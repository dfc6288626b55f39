"""Marker hypotheses, gates, verdicts, response score and sample identity."""
