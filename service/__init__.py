"""How people and machines reach Homestretch: API, pages, database, sign-in, jobs, command line."""
