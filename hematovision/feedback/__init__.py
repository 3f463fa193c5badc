"""Owns predictions as they were given, what people say of them, and who decided; knows no model and no HTTP."""
