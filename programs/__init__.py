"""What was prescribed, what is due, what was done, what an answer means. Sends nothing and serves nothing."""
