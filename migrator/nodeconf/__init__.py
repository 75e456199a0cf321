"""What every node has, whatever its runtime: systemd, the kubelet, sysctl, modules. Pure."""
