"""The order application: a small shop, split as a real service would be.

``domain`` knows the business and nothing else. ``application`` says what can be asked of it. ``wiring`` puts both onto
adapters, and ``story`` tells what happens; ``python -m orders`` runs it.
"""
