"""Measured ratios against tools that do the same work, or against the least that any module does."""
