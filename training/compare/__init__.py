"""A published model beside what a user would try first, on the user's own table."""
