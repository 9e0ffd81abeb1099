"""Packages of strategies: where they are found, brought, described and trusted."""
