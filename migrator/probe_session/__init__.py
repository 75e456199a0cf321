"""Run the probe on a node, over CRI or through the kubelet, and gather what it and the host show."""
