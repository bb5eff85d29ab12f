"""The compiler: a network and a configuration become a program, or one sentence that says why not."""

from hwsim.compiler.compile import compile_network

__all__ = ["compile_network"]
