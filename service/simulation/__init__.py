"""Invented clinics on a fast clock: the real engine, recording channels, people who behave, and proof of what came."""
