"""A guest machine with Debian's own kernel: USB printers made of the kernel's gadgets, and a plug that can be pulled.

`image` builds its disk once, `qemu` runs it, `channel` talks to `guest` inside, `box` puts them together.
`python -m tests.vm run -- COMMAND` runs a command there, with this project mounted.
"""
