"""The real daemons on PostgreSQL for as long as wanted, while secrets expire and are revoked, and much goes wrong."""
