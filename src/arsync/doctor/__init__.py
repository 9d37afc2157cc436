"""``arsync --doctor``: what works on this machine and between given paths, and why the rest does not; all of it found
by trying."""
