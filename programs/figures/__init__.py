"""Draws an exercise from its poses. Pure: no file, no clock, no database; the same bytes each time."""
