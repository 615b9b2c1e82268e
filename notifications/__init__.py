"""Who is told what, when, by which channel, and whether it arrived."""
