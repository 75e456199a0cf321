"""The container runtimes: a folder for each, and one frozen object that says in what they differ."""
