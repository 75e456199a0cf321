"""Carry out a plan on a node, step by step, and put the node back when a step fails."""
