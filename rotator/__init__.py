"""Keeps the OAuth client secrets of Okta apps fresh, in HashiCorp Vault, without cutting off a consumer."""

__version__ = "0.1.0"
