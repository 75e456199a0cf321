"""The lab: a real Kubernetes 1.20 cluster with dockershim, on one machine, from Debian's packages.

Emulated Debian guests are the nodes, the control plane runs natively, and everything that
talks to a guest lives in one network namespace that the lab made and removes again.
"""
