"""A plan or a run as text for people. Pure: nothing here prints."""
