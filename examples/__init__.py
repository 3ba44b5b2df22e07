"""Programs that show how the service is used. Nothing of the service depends on them."""
