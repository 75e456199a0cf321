"""A plan or a run as text for people and for programs. Pure: nothing here prints."""
