//! Plans traffic redirection and writes it as an iptables program.
