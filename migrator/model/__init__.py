"""The values that the parts of the program exchange. All frozen; a new state is a new object."""
