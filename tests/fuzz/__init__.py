"""Our readers beside the real programs: made-up files, what each program makes of them, and what we do."""
