"""Bounds that say what happens when they are reached: tables, budgets, rates, back-off. Pure, for engines too."""
