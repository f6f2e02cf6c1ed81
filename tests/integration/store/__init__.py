"""The store on a real PostgreSQL; `tx` is rolled back."""
