"""Texts of people: which are visible, and how they stand inside a sentence."""
