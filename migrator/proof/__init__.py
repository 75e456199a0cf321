"""What a container must be on a node, and whether it is: pure. The probe's image lies beside it."""
