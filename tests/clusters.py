"""Throwaway TigerBeetle clusters, by the name that tests call them."""

from loadtest.clusters import CACHE, WHY_NONE, Cluster, server
from loadtest.processes import free_ports

__all__ = ["CACHE", "WHY_NONE", "Cluster", "free_ports", "server"]
