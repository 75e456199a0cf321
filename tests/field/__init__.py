"""What takes hours on emulated guests."""
