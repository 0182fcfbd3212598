"""Machines that do random things to an adapter and to a simple model of it, and compare what both say.

They need hypothesis. When they disagree, it prints the shortest script that shows it.
"""
