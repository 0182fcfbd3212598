"""The migrations of the toolkit's tables. ``cqrs_ddd_persistence_sqlalchemy.migration`` runs them."""
