"""What is kept in files on the machine that migrator runs on: plans, facts, evidence, and a folder for each run."""
