"""What runs in the peers' own environments: each app served the way its maker documents."""
