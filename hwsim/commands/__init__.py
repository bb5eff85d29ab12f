"""The commands of ``hwsim``, one a file; each calls one function and prints what it returns."""
