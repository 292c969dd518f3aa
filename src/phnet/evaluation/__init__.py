"""Judging methods: metrics, classical baselines, scores, the report, the paper's tables."""
