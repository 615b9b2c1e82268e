"""Who may come in. For now: opaque tokens, made by the demo and by tests; sign-in proper stands in a later issue."""
