"""How the shop's box is: what that means (state), who looks (lookout), and what systemd shows of it (statusline)."""
