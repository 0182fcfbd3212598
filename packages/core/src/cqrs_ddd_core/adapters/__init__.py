"""Adapters of core's ports, and the parts that every package of adapters shares."""
