"""What to beat: each figure side by side with its bare counterpart, in one run, as a ratio. Nothing here asserts."""
