"""Texts that people enter: whether they are visible, and how to show them inside a sentence."""
